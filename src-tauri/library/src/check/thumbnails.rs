//! Thumbnails: whether those that the database tells of are there and sound, and no others.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use rusqlite::Connection;

use super::{FindingKind, Pass, Photo, entries};
use crate::{Identity, LibraryError, thumbnails::Thumbnails};

/// What one of the 256 folders holds.
#[derive(Default)]
struct Shard {
    files: usize,
    missing: Vec<Photo>,
    damaged: Vec<Photo>,
    unknown: Vec<PathBuf>,
}

impl Pass<'_> {
    /// Photos are in the order of their identities. Repair forgets checksums, so that thumbnails are made again.
    pub fn thumbnails(&mut self, connection: &Connection, photos: &[Photo]) -> Result<(), LibraryError> {
        let thumbnails = Thumbnails::new(self.folder.join("thumbnails"));
        let this = &*self;
        let shards = (0..=255_u8).into_par_iter().map(|first| this.shard(&thumbnails, photos, first));
        let shards = shards.collect::<Result<Vec<_>, LibraryError>>()?;
        let mut all = Shard::default();
        for shard in shards {
            all.files += shard.files;
            all.missing.extend(shard.missing);
            all.damaged.extend(shard.damaged);
            all.unknown.extend(shard.unknown);
        }
        self.report.figures.thumbnails = all.files;
        if self.is_repair {
            // First the files: a photo whose checksum is forgotten has none, whatever happens in between.
            all.damaged.iter().try_for_each(|photo| thumbnails.remove(&photo.identity))?;
            self.remove(&all.unknown)?;
            forget(connection, all.missing.iter().chain(&all.damaged))
                .map_err(|source| LibraryError::Database { doing: "forget thumbnails", source })?;
        }
        let folder = thumbnails.folder();
        let first = |photos: &[Photo]| photos.first().map_or(folder.into(), |photo| thumbnails.path(&photo.identity));
        let (missing, damaged) = (&all.missing, &all.damaged);
        self.note(FindingKind::ThumbnailMissing, &first(missing), missing.len(), many(missing.len(), "missing"));
        let what = many(damaged.len(), "damaged");
        self.note(FindingKind::ThumbnailDamaged, &first(damaged), damaged.len(), what);
        let at = all.unknown.first().map_or(folder, PathBuf::as_path);
        let what = many(all.unknown.len(), "of no photo that the library knows");
        self.note(FindingKind::ThumbnailUnknown, at, all.unknown.len(), what);
        Ok(())
    }

    fn shard(&self, thumbnails: &Thumbnails, photos: &[Photo], first: u8) -> Result<Shard, LibraryError> {
        let begin = photos.partition_point(|photo| photo.identity.0[0] < first);
        let end = photos.partition_point(|photo| photo.identity.0[0] <= first);
        let photos = &photos[begin..end];
        let mut shard = Shard::default();
        let mut is_there = vec![false; photos.len()];
        for path in entries(&thumbnails.folder().join(format!("{first:02x}")))? {
            let Some(identity) = identity_of(&path) else { continue };
            shard.files += 1;
            match photos.binary_search_by_key(&identity, |photo| photo.identity) {
                Ok(at) if photos[at].thumbnail_crc.is_some() => is_there[at] = true,
                // Just written, and the database is about to hear of it.
                _ if !self.is_settled(&path) => {}
                _ => shard.unknown.push(path),
            }
        }
        for (photo, is_there) in photos.iter().zip(is_there) {
            let Some(crc) = photo.thumbnail_crc else { continue };
            if !is_there {
                shard.missing.push(*photo);
            } else if self.options.deep {
                match thumbnails.get_checked(&photo.identity, crc) {
                    Ok(Some(_)) => {}
                    Ok(None) => shard.missing.push(*photo),
                    Err(LibraryError::Damaged { .. }) => shard.damaged.push(*photo),
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(shard)
    }
}

fn forget<'a>(connection: &Connection, photos: impl Iterator<Item = &'a Photo>) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    {
        // Unless another program has made it again meanwhile.
        let sql = "UPDATE photo SET thumbnail_crc = NULL WHERE id = ?1 AND thumbnail_crc = ?2";
        let mut forget = transaction.prepare(sql)?;
        for photo in photos {
            forget.execute((photo.photo, photo.thumbnail_crc))?;
        }
    }
    transaction.commit()
}

/// The photo whose thumbnail a file is named after; other files in the folder are not ours.
fn identity_of(path: &Path) -> Option<Identity> {
    let name = path.file_name()?.to_str()?.strip_suffix(".jpg")?;
    if name.len() != 64 || !name.is_ascii() {
        return None;
    }
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&name[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(Identity(bytes)).filter(|identity| identity.to_string() == name)
}

fn many(count: usize, how: &str) -> String {
    if count == 1 { format!("1 thumbnail is {how}") } else { format!("{count} thumbnails are {how}") }
}
