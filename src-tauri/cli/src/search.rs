//! `search`: photos of the library that are like words or photos, by arithmetic on embeddings.

use std::path::Path;

use cliploupe_workbench::{
    library::clock,
    messages::{PhotoFilter, PhotoId, PhotoQuery, PhotoRecord, SearchTerm},
};
use serde_json::{Value, json};

use crate::{
    Report,
    args::{Common, Search},
    failure::Failed,
    opened::{Opened, Words, counted, label_settings},
    places::{Places, absolute, unknown},
};

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// A photo that was found.
struct Hit {
    photo: PhotoRecord,
    /// With the first of what was searched for.
    cosine: f32,
    score: f32,
}

pub fn run(command: &Search, common: &Common) -> Result<Report, Failed> {
    let filter = filter(&command.filter)?;
    let weights = weights(command)?;
    if command.top == 0 {
        return Err(Failed::usage("--top must be at least 1"));
    }
    // Centring takes away what labels have in common, so it needs some.
    let labels = command.centred.then(|| label_settings(None, &[])).transpose()?;
    let opened = Opened::find(common, Words { language: command.texts.language.clone(), labels })?;
    let images = images(&opened, command)?;
    opened.ready(common.quiet)?;
    let query = PhotoQuery {
        filter,
        search: terms(command, &images, &weights),
        centred: command.centred,
        past_cut: command.all,
        ..PhotoQuery::default()
    };
    let list = opened.bench.photo_list(&query)?;
    let scores = list.scores.unwrap_or_default();
    let best: Vec<(PhotoId, f32)> = list.ids.into_iter().zip(scores).take(command.top).collect();
    let hits = explained(&opened, &query, &best)?;
    let rows: Vec<Value> = hits
        .iter()
        .map(|hit| json!({ "path": hit.photo.path, "cosine": hit.cosine, "score": hit.score, "tags": hit.photo.tags }))
        .collect();
    let head = list.head;
    let json = json!({
        "hits": rows,
        "cut": head.cut,
        "found": head.count,
        "filtered": head.filtered,
        "total": head.total,
    });
    let mut text: String = hits.iter().map(row).collect();
    text.push_str(&format!("{} of {} listed", hits.len(), counted(head.filtered as usize, "photo")));
    if let Some(cut) = head.cut {
        text.push_str(&format!("; {} reach the cut-off {:.3}", cut.kept, cut.score));
        if !command.all {
            text.push_str(", and --all lists those below it too");
        }
    }
    text.push('\n');
    Ok(opened.report(text, json, true))
}

fn row(hit: &Hit) -> String {
    let tags = if hit.photo.tags.is_empty() { String::new() } else { format!("  [{}]", hit.photo.tags.join(", ")) };
    format!("{:7.3} {:7.3}  {}{tags}\n", hit.score, hit.cosine, hit.photo.path)
}

/// The photos to search by.
fn images(opened: &Opened, command: &Search) -> Result<Vec<PhotoId>, Failed> {
    if command.image.is_empty() {
        return Ok(Vec::new());
    }
    let places = Places::of(&opened.bench)?;
    let photo = |path: &Path| {
        places.file(path)?.ok_or_else(|| {
            let Failed { message, exit_code } = unknown(path);
            Failed { message: format!("{message}, or take its vector with `cliploupe-cli embed`"), exit_code }
        })
    };
    command.image.iter().map(|path| photo(path)).collect()
}

/// One for each text, photo and --not, in this order.
fn weights(command: &Search) -> Result<Vec<f32>, Failed> {
    let terms = command.text.len() + command.image.len() + command.not.len();
    if command.weight.len() > terms {
        let given = counted(command.weight.len(), "weight");
        return Err(Failed::usage(format!("there are {given} for {}", counted(terms, "part"))));
    }
    if let Some(weight) = command.weight.iter().find(|weight| !(weight.is_finite() && **weight > 0.0)) {
        return Err(Failed::usage(format!("a weight is a number above 0, and --not takes away: {weight}")));
    }
    let mut weights = command.weight.clone();
    weights.resize(terms, 1.0);
    Ok(weights)
}

fn terms(command: &Search, images: &[PhotoId], weights: &[f32]) -> Vec<SearchTerm> {
    let mut weights = weights.iter().copied();
    let mut next = || weights.next().unwrap_or(1.0);
    let mut terms = Vec::new();
    for text in &command.text {
        terms.push(SearchTerm::Text { text: text.clone(), weight: next() });
    }
    for id in images {
        terms.push(SearchTerm::Photo { id: *id, weight: next() });
    }
    for text in &command.not {
        terms.push(SearchTerm::Text { text: text.clone(), weight: -next() });
    }
    terms
}

fn explained(opened: &Opened, query: &PhotoQuery, best: &[(PhotoId, f32)]) -> Result<Vec<Hit>, Failed> {
    let ids: Vec<PhotoId> = best.iter().map(|(id, _)| *id).collect();
    let mut hits = Vec::with_capacity(best.len());
    for photo in opened.bench.photo_records(&ids)? {
        let terms = opened.bench.explain_hit(query, photo.id)?.terms;
        let score = best.iter().find(|(id, _)| *id == photo.id).map_or(0.0, |(_, score)| *score);
        hits.push(Hit { photo, cosine: terms.first().map_or(0.0, |term| term.cosine), score });
    }
    Ok(hits)
}

/// What photos must have, from KEY=VALUE.
fn filter(given: &[String]) -> Result<PhotoFilter, Failed> {
    let mut filter = PhotoFilter::default();
    let mut words = Vec::new();
    for given in given {
        let Some((key, value)) = given.split_once('=') else {
            return Err(Failed::usage(format!("--filter takes KEY=VALUE, not {given:?}")));
        };
        let wrong = |wanted: &str| Failed::usage(format!("--filter {key} takes {wanted}, not {value:?}"));
        match key {
            "folder" => filter.folder = Some(absolute(Path::new(value)).display().to_string()),
            "tag" => filter.tags.push(value.to_owned()),
            "without" => filter.without_tags.push(value.to_owned()),
            "camera" => filter.camera = Some(value.to_owned()),
            "name" => words.push(value.to_owned()),
            "missing" => filter.missing = Some(yes_or_no(value).ok_or_else(|| wrong("yes or no"))?),
            "untagged" if value == "yes" => filter.untagged = true,
            "untagged" => return Err(wrong("yes")),
            "year" => {
                let year = year(value).ok_or_else(|| wrong("a year such as 2024"))?;
                narrow(&mut filter, Some(clock::year_begins_ms(year)), Some(clock::year_begins_ms(year + 1)));
            }
            "from" | "to" => {
                let day = day_begins_ms(value).ok_or_else(|| wrong("a day such as 2024-05-31"))?;
                let is_from = key == "from";
                narrow(&mut filter, is_from.then_some(day), (!is_from).then_some(day + DAY_MS));
            }
            _ => {
                let keys = "folder, tag, without, untagged, camera, year, from, to, missing, name";
                return Err(Failed::usage(format!("--filter knows {keys}, not {key:?}")));
            }
        }
    }
    filter.text = words.join(" ");
    Ok(filter)
}

/// Both the times that were asked for before and these must hold.
fn narrow(filter: &mut PhotoFilter, from: Option<i64>, to: Option<i64>) {
    filter.taken_from_ms = filter.taken_from_ms.into_iter().chain(from).max();
    filter.taken_to_ms = filter.taken_to_ms.into_iter().chain(to).min();
}

fn yes_or_no(value: &str) -> Option<bool> {
    match value {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

fn year(value: &str) -> Option<i64> {
    value.parse().ok().filter(|year| (1..=9999).contains(year))
}

/// When a day begins, by the camera's clock.
fn day_begins_ms(value: &str) -> Option<i64> {
    let mut parts = value.splitn(3, '-');
    let year = year(parts.next()?)?;
    let mut number = || parts.next()?.parse::<usize>().ok();
    let (month, day) = (number()?, number()?);
    let is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let february = if is_leap { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let days = *months.get(month.checked_sub(1)?)?;
    if !(1..=days).contains(&day) {
        return None;
    }
    let before: usize = months[..month - 1].iter().sum::<usize>() + day - 1;
    Some(clock::year_begins_ms(year) + before as i64 * DAY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_when_they_do() {
        // date -u -d '2024-03-01' +%s, and so on
        let known = [
            ("1970-01-01", 0),
            ("2024-02-29", 1_709_164_800),
            ("2024-03-01", 1_709_251_200),
            ("2023-12-31", 1_703_980_800),
            ("1969-12-31", -86_400),
        ];
        for (day, seconds) in known {
            assert_eq!(day_begins_ms(day), Some(seconds * 1000), "{day}");
        }
        for wrong in
            ["2023-02-29", "2024-13-01", "2024-00-10", "2024-01-00", "2024-01", "2024-01-01-01", "yesterday", ""]
        {
            assert_eq!(day_begins_ms(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_year_and_a_day_must_both_hold() {
        let of = |given: &[&str]| {
            let given: Vec<String> = given.iter().map(|part| (*part).to_owned()).collect();
            filter(&given).map(|filter| (filter.taken_from_ms, filter.taken_to_ms)).ok()
        };
        let (begin, end) = (clock::year_begins_ms(2024), clock::year_begins_ms(2025));
        assert_eq!(of(&["year=2024"]), Some((Some(begin), Some(end))));
        let march = day_begins_ms("2024-03-01");
        assert_eq!(of(&["year=2024", "from=2024-03-01"]), Some((march, Some(end))));
        assert_eq!(of(&["from=2023-03-01", "year=2024"]), Some((Some(begin), Some(end))));
        // The day itself is part of it.
        assert_eq!(of(&["to=2024-02-29"]), Some((None, march)));
        assert_eq!(of(&["year=24x"]), None);
    }

    #[test]
    fn what_is_no_filter_is_bad_usage() {
        for given in ["tag", "colour=red", "missing=perhaps", "untagged=no"] {
            assert_eq!(filter(&[given.to_owned()]).err().map(|failed| failed.exit_code), Some(2), "{given}");
        }
    }
}
