//! Near duplicates: groups of photos that show the same, each with the evidence for it. Nothing is ever deleted here.
//!
//! Two measures stand for each pair: the cosine of the embeddings (what is shown) and the distance of looks (how the
//! pixels lie, [`crate::look`]). A group is a star: every member is near the photo that is suggested to be kept, so no
//! chain of small steps joins what has nothing in common.
//!
//! Pairs are found by embeddings, exactly ([`VectorIndex::pairs`]), which takes time with the square of the photos; or
//! by looks first, which takes seconds for a million, and misses crops and turned copies.

use std::collections::HashMap;

use rayon::prelude::*;

use crate::{
    LibraryError, PhotoId,
    index::{Pair, VectorIndex},
    look::Look,
};

/// What is known of a photo beside its embedding.
#[derive(Debug, Clone, PartialEq)]
pub struct NearPhoto {
    /// Which photo.
    pub photo: PhotoId,
    /// How it looks, if it has a thumbnail.
    pub look: Option<Look>,
    /// Sides in pixels; 0 if they are not known.
    pub size: (u32, u32),
    /// When it was taken, or else added: of equally large photos the oldest is suggested to be kept.
    pub time_ms: i64,
    /// How many files it has that are not missing.
    pub files: u32,
}

/// How much alike the photos of a group are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Likeness {
    /// The same picture in the same size: several files of one photo, or photos without a difference that shows.
    SamePixelsOtherFile,
    /// The same picture in another size, quality or edit.
    NearDuplicate,
    /// The same subject at much the same moment, as in a burst.
    Similar,
}

/// A photo of a group.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Which photo.
    pub photo: PhotoId,
    /// The cosine with the photo that is suggested to be kept; 1 for that one.
    pub cosine_to_best: f32,
    /// Bits in which its look differs from that of the photo suggested to be kept, if both have one.
    pub look_distance: Option<u32>,
    /// How much it is like that photo.
    pub likeness: Likeness,
    /// How many files it has.
    pub files: u32,
}

/// Photos that show the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// The one suggested to be kept first: most pixels, then the oldest. The others follow, the most alike first.
    pub photos: Vec<Member>,
    /// The least likeness among them.
    pub likeness: Likeness,
}

/// Where pairs are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// Among all embeddings: finds everything. Time grows with the square: on two cores of 2024 eight seconds for 100,000
    /// photos, a quarter of an hour for a million.
    Embeddings,
    /// Among looks that differ in a few bits: eight seconds for a million; no [`Likeness::Similar`].
    Looks,
}

/// Where likeness begins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NearOptions {
    /// Where pairs are looked for.
    pub evidence: Evidence,
    /// Least cosine of near duplicates.
    pub near_cosine: f32,
    /// Most bits in which looks of near duplicates differ.
    pub near_look: u32,
    /// Least cosine of similar photos; above 1, none are looked for.
    pub similar_cosine: f32,
}

impl Default for NearOptions {
    fn default() -> Self {
        Self { evidence: Evidence::Embeddings, near_cosine: 0.95, near_look: 6, similar_cosine: 0.93 }
    }
}

/// Least cosine of photos without a difference that shows; embeddings of two JPEGs of one picture differ by less.
const SAME_COSINE: f32 = 0.998;
/// Partners that looks give one photo at most, the nearest.
const MOST_PARTNERS: usize = 256;

/// Groups of photos that show the same, the largest first. `None` if `progress` says to stop.
pub fn groups(
    index: &VectorIndex,
    photos: &[NearPhoto],
    options: &NearOptions,
    progress: &(dyn Fn(f32) -> bool + Sync),
) -> Result<Option<Vec<Group>>, LibraryError> {
    let places: HashMap<PhotoId, usize> = photos.iter().enumerate().map(|(at, photo)| (photo.photo, at)).collect();
    let pairs = match options.evidence {
        Evidence::Embeddings => index.pairs(options.near_cosine.min(options.similar_cosine), progress)?,
        Evidence::Looks => pairs_by_look(index, photos, options.near_look, progress)?,
    };
    let Some(pairs) = pairs else { return Ok(None) };
    let mut links = vec![Vec::new(); photos.len()];
    for pair in pairs {
        let (Some(&one), Some(&other)) = (places.get(&pair.one), places.get(&pair.other)) else { continue };
        if let Some(likeness) = likeness(&photos[one], &photos[other], pair.cosine, options) {
            links[one].push(Link { to: other, cosine: pair.cosine, likeness });
            links[other].push(Link { to: one, cosine: pair.cosine, likeness });
        }
    }
    Ok(Some(stars(photos, &links)))
}

#[derive(Clone, Copy)]
struct Link {
    to: usize,
    cosine: f32,
    likeness: Likeness,
}

fn likeness(one: &NearPhoto, other: &NearPhoto, cosine: f32, options: &NearOptions) -> Option<Likeness> {
    let distance = look_distance(one, other);
    if cosine >= SAME_COSINE && distance == Some(0) && one.size == other.size && one.size.0 > 0 {
        return Some(Likeness::SamePixelsOtherFile);
    }
    if cosine >= options.near_cosine && distance.is_some_and(|distance| distance <= options.near_look) {
        return Some(Likeness::NearDuplicate);
    }
    (options.evidence == Evidence::Embeddings && cosine >= options.similar_cosine).then_some(Likeness::Similar)
}

fn look_distance(one: &NearPhoto, other: &NearPhoto) -> Option<u32> {
    Some(one.look?.distance(other.look?))
}

/// First groups of duplicates, then groups of similar photos among what is left; in each the best photo takes its
/// neighbours, then the next best of those that are left.
fn stars(photos: &[NearPhoto], links: &[Vec<Link>]) -> Vec<Group> {
    let mut best_first: Vec<usize> = (0..photos.len()).collect();
    best_first.sort_by_key(|&at| {
        let NearPhoto { size: (width, height), time_ms, photo, .. } = photos[at];
        (std::cmp::Reverse(u64::from(width) * u64::from(height)), time_ms, photo)
    });
    let mut is_taken = vec![false; photos.len()];
    let mut groups = Vec::new();
    for most in [Likeness::NearDuplicate, Likeness::Similar] {
        for &best in &best_first {
            let is_free = |link: &&Link| link.likeness <= most && !is_taken[link.to];
            let members: Vec<Link> = links[best].iter().filter(is_free).copied().collect();
            let has_copies = most == Likeness::NearDuplicate && photos[best].files > 1;
            if is_taken[best] || members.is_empty() && !has_copies {
                continue;
            }
            is_taken[best] = true;
            members.iter().for_each(|link| is_taken[link.to] = true);
            groups.push(group(photos, best, members));
        }
    }
    groups.sort_by_key(|group| (std::cmp::Reverse(group.photos.len()), group.photos[0].photo));
    groups
}

fn group(photos: &[NearPhoto], best: usize, mut links: Vec<Link>) -> Group {
    links.sort_by(|a, b| b.cosine.total_cmp(&a.cosine).then(photos[a.to].photo.cmp(&photos[b.to].photo)));
    let itself = Link { to: best, cosine: 1.0, likeness: Likeness::SamePixelsOtherFile };
    let member = |link: &Link| Member {
        photo: photos[link.to].photo,
        cosine_to_best: link.cosine,
        look_distance: look_distance(&photos[best], &photos[link.to]),
        likeness: link.likeness,
        files: photos[link.to].files,
    };
    let members: Vec<Member> = std::iter::once(&itself).chain(&links).map(member).collect();
    let likeness = members.iter().map(|member| member.likeness).max().expect("the best is one");
    Group { photos: members, likeness }
}

/// Pairs whose looks differ in at most `most` bits, with the exact cosines of those that have embeddings.
///
/// Cut into most + 1 bands of bits, two such looks are equal in at least one band (the pigeonhole principle), so only
/// photos that share a band are compared.
fn pairs_by_look(
    index: &VectorIndex,
    photos: &[NearPhoto],
    most: u32,
    progress: &(dyn Fn(f32) -> bool + Sync),
) -> Result<Option<Vec<Pair>>, LibraryError> {
    let looks: Vec<(u64, PhotoId)> = photos
        .iter()
        .filter(|photo| index.contains(photo.photo))
        .filter_map(|photo| Some((photo.look?.0, photo.photo)))
        .collect();
    let bands = bands(most.min(63) + 1);
    let mut pairs = Vec::new();
    for (at, &band) in bands.iter().enumerate() {
        if !progress(at as f32 / bands.len() as f32) {
            return Ok(None);
        }
        let mut sorted = looks.clone();
        sorted.par_sort_unstable_by_key(|&(look, photo)| (look & band, photo));
        let buckets: Vec<&[(u64, PhotoId)]> = sorted.chunk_by(|a, b| (a.0 ^ b.0) & band == 0).collect();
        let in_bucket = |bucket: &&[(u64, PhotoId)]| {
            let of_one = |one: usize| partners(bucket, one, most, &bands[..at]);
            (0..bucket.len()).into_par_iter().flat_map_iter(of_one).collect::<Vec<_>>()
        };
        pairs.par_extend(buckets.par_iter().flat_map_iter(in_bucket));
    }
    let with_cosine = pairs.par_chunks(256).map(|pairs| index.cosines(pairs));
    Ok(Some(with_cosine.collect::<Result<Vec<_>, _>>()?.concat()))
}

/// Later photos of a bucket that are near the one at a place, unless an earlier band has brought them together.
fn partners(bucket: &[(u64, PhotoId)], one: usize, most: u32, earlier: &[u64]) -> Vec<(PhotoId, PhotoId)> {
    let (look, photo) = bucket[one];
    let near = bucket[one + 1..].iter().filter_map(|&(other, partner)| {
        let difference = look ^ other;
        let is_new = earlier.iter().all(|band| difference & band != 0);
        (difference.count_ones() <= most && is_new).then_some((difference.count_ones(), partner))
    });
    let mut near: Vec<(u32, PhotoId)> = near.collect();
    near.sort_unstable();
    near.truncate(MOST_PARTNERS);
    near.into_iter().map(|(_, partner)| (photo, partner)).collect()
}

/// Masks that cut 64 bits into `count` bands of nearly the same width.
fn bands(count: u32) -> Vec<u64> {
    let ones = |bits: u32| if bits == 64 { u64::MAX } else { (1 << bits) - 1 };
    (0..count).map(|at| ones((at + 1) * 64 / count) & !ones(at * 64 / count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Identity,
        index::{Embeddings, InMemory},
    };

    fn photo(photo: PhotoId, look: u64, size: (u32, u32), time_ms: i64) -> NearPhoto {
        NearPhoto { photo, look: Some(Look(look)), size, time_ms, files: 1 }
    }

    /// An index where the cosine of photos is that of their angles.
    fn index(angles: &[(PhotoId, f32)]) -> VectorIndex {
        let mut store = InMemory::new(2);
        for &(photo, angle) in angles {
            store.append(&[(photo, Identity([0; 32]), &[angle.cos(), angle.sin()])]).unwrap();
        }
        VectorIndex::build(Box::new(store)).unwrap()
    }

    fn found(index: &VectorIndex, photos: &[NearPhoto], evidence: Evidence) -> Vec<(Vec<PhotoId>, Likeness)> {
        let options = NearOptions { evidence, ..NearOptions::default() };
        let groups = groups(index, photos, &options, &|_| true).unwrap().unwrap();
        groups.iter().map(|group| (group.photos.iter().map(|member| member.photo).collect(), group.likeness)).collect()
    }

    #[test]
    fn groups_say_how_much_alike_and_suggest_the_largest_then_the_oldest() {
        let index =
            index(&[(1, 0.0), (2, 0.0), (3, 0.2), (4, 1.5), (5, 1.5), (6, 1.65), (7, 3.0), (8, 4.5), (9, 4.51)]);
        let mut photos = vec![
            photo(1, 0, (40, 30), 5),
            photo(2, 1, (400, 300), 6),
            photo(3, 3, (40, 30), 1),
            photo(4, 99, (40, 30), 7),
            photo(5, 99, (40, 30), 6),
            photo(6, u64::MAX, (40, 30), 1),
            photo(7, 0, (40, 30), 1),
            photo(8, 0, (40, 30), 1),
            photo(9, u64::MAX, (40, 30), 2),
        ];
        photos[6].files = 2;
        let all = [
            (vec![2, 1, 3], Likeness::NearDuplicate),
            (vec![5, 4], Likeness::SamePixelsOtherFile),
            (vec![8, 9], Likeness::Similar),
            (vec![7], Likeness::SamePixelsOtherFile),
        ];
        let by_embeddings = found(&index, &photos, Evidence::Embeddings);
        assert_eq!(by_embeddings, [all[0].clone(), all[1].clone(), all[2].clone(), all[3].clone()]);
        assert_eq!(found(&index, &photos, Evidence::Looks), [all[0].clone(), all[1].clone(), all[3].clone()]);
        let groups = groups(&index, &photos, &NearOptions::default(), &|_| true).unwrap().unwrap();
        let third = &groups[0].photos[2];
        assert_eq!((third.photo, third.look_distance, third.likeness), (3, Some(1), Likeness::NearDuplicate));
        assert!((third.cosine_to_best - 0.2_f32.cos()).abs() < 1e-3);
    }

    #[test]
    fn small_steps_make_no_chain() {
        let angles: Vec<(PhotoId, f32)> = (1..=12).map(|photo| (photo, photo as f32 * 0.25)).collect();
        let photos: Vec<NearPhoto> = (1..=12).map(|at| photo(at, 7, (10, 10), at.into())).collect();
        let groups = found(&index(&angles), &photos, Evidence::Embeddings);
        assert!(groups.len() >= 4 && groups.iter().all(|(photos, _)| photos.len() <= 3), "{groups:?}");
    }

    #[test]
    fn looks_within_reach_always_share_a_band() {
        for most in [0, 3, 6, 10, 63] {
            let bands = bands(most + 1);
            assert_eq!(bands.iter().fold(0, |all, band| all | band), u64::MAX);
            assert_eq!(bands.iter().map(|band| band.count_ones()).sum::<u32>(), 64);
        }
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state ^ (state >> 29)
        };
        let mut photos = Vec::new();
        for id in 1..=400 {
            let look =
                if id % 2 == 0 { photos.last().map_or(0, |photo: &NearPhoto| photo.look.unwrap().0) } else { next() };
            let flips = (0..id % 10).fold(0, |bits, _| bits | 1 << (next() % 64));
            photos.push(photo(id, look ^ flips, (10, 10), 0));
        }
        let angles: Vec<(PhotoId, f32)> = (1..=400).map(|photo| (photo, photo as f32)).collect();
        let pairs = pairs_by_look(&index(&angles), &photos, 6, &|_| true).unwrap().unwrap();
        let mut found: Vec<(PhotoId, PhotoId)> =
            pairs.iter().map(|p| (p.one.min(p.other), p.one.max(p.other))).collect();
        found.sort_unstable();
        let all = (0..400).flat_map(|i| (i + 1..400).map(move |j| (i, j)));
        let naive = all.filter(|&(i, j)| look_distance(&photos[i], &photos[j]).unwrap() <= 6);
        assert_eq!(found, naive.map(|(i, j)| (i as u32 + 1, j as u32 + 1)).collect::<Vec<_>>());
        assert!(found.len() > 100);
    }
}
