//! What a model suggests, written apart from what a person said: under one root, with where it comes from.
//!
//! The list `cliploupe:Suggestions` has one structure per machine tag, and the keywords themselves stand under a root, as
//! `Cliploupe|animal|dog`. So other programs show them as what they are, and both can be taken out in one step.

use super::{properties::Field, properties::escaped, tree::Tree};

/// The namespace of what only Cliploupe says.
pub const NAMESPACE: &str = "https://cliploupe.org/ns/1.0/";
/// The root of machine tags, unless another is chosen.
pub const ROOT: &str = "Cliploupe";

/// A suggestion of a model that goes into a sidecar.
#[derive(Debug, Clone, PartialEq)]
pub struct MachineTag {
    /// The label's name, as `animal/dog`, without the root.
    pub tag: String,
    /// The model's key.
    pub model: String,
    /// The sentence that stood for the label.
    pub prompt: String,
    /// The margin that the probability was made from.
    pub score: f64,
    /// How probable it is that the photo has the tag, 0 to 1.
    pub probability: f64,
    /// When it was suggested, in milliseconds since 1970.
    pub suggested_ms: i64,
}

/// Names of the structure's fields, in the order of a record.
const NAMES: [&str; 6] = ["tag", "model", "prompt", "score", "probability", "date"];
/// Between the fields of a record; no XML holds it.
const GAP: char = '\0';

/// The list of suggestions. Its values are records: the fields with [`GAP`] between them.
pub(super) const SUGGESTIONS: Field = Field {
    uris: &[NAMESPACE],
    prefix: "cliploupe",
    local: "Suggestions",
    list: "Bag",
    item: record_item,
    value: record_of,
};

impl MachineTag {
    pub(super) fn record(&self) -> String {
        let (score, probability) = (self.score.to_string(), self.probability.to_string());
        let date = date_text(self.suggested_ms);
        let fields = [self.tag.as_str(), &self.model, &self.prompt, &score, &probability, &date];
        fields.map(|field| field.replace(GAP, "")).join("\0")
    }

    /// `None` if a number or the date is none, as after another program's edit.
    pub(super) fn from_record(record: &str) -> Option<Self> {
        let fields: Vec<&str> = record.split(GAP).collect();
        let [tag, model, prompt, score, probability, date] = fields[..] else { return None };
        Some(Self {
            tag: tag.to_owned(),
            model: model.to_owned(),
            prompt: prompt.to_owned(),
            score: score.parse().ok()?,
            probability: probability.parse().ok()?,
            suggested_ms: date_ms(date)?,
        })
    }
}

/// `<rdf:li cliploupe:tag="animal/dog" …/>`, a structure in RDF's short form.
fn record_item(record: &str, rdf: &str, prefix: &str) -> String {
    let fields = NAMES.iter().zip(record.split(GAP));
    let fields: String = fields.map(|(name, field)| format!(" {prefix}:{name}=\"{}\"", escaped(field))).collect();
    format!("<{rdf}li{fields}/>")
}

/// A record from a structure in any of RDF's forms: attributes, elements, or a Description with either.
fn record_of(tree: &Tree, item: usize) -> Option<String> {
    let uris = SUGGESTIONS.uris;
    let mut holders = vec![item];
    holders.extend(&tree.elements[item].children);
    let field = |name: &&str| {
        holders.iter().find_map(|&holder| {
            let attribute = tree.attribute(holder, uris, name).map(|attribute| tree.value(attribute));
            let is_it = |&&child: &&usize| tree.is_one_of(child, uris, name);
            attribute.or_else(|| tree.content_text(*tree.elements[holder].children.iter().find(is_it)?))
        })
    };
    let fields: Vec<Option<String>> = NAMES.iter().map(field).collect();
    fields[0].as_ref()?;
    Some(fields.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>().join("\0"))
}

const DAY_MS: i64 = 86_400_000;

/// `2026-08-05T12:00:00.123Z`.
pub(crate) fn date_text(ms: i64) -> String {
    let (year, month, day) = civil_from_days(ms.div_euclid(DAY_MS));
    let in_day = ms.rem_euclid(DAY_MS);
    let (hour, minute, second) = (in_day / 3_600_000, in_day / 60_000 % 60, in_day / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", in_day % 1000)
}

/// The time of such a text; a zone other than `Z`, which another program may have put there, is taken into account.
pub(crate) fn date_ms(text: &str) -> Option<i64> {
    let (date, time) = text.split_once('T')?;
    let part = |text: &str, from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (part(date, 0, 4)?, part(date, 5, 7)?, date.get(8..)?.parse::<i64>().ok()?);
    let zone = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (clock, zone) = time.split_at(zone);
    let minutes = match zone.as_bytes() {
        [] | b"Z" => 0,
        [sign, ..] => (part(zone, 1, 3)? * 60 + part(zone, 4, 6)?) * if *sign == b'-' { -1 } else { 1 },
    };
    let seconds: f64 = clock.get(6..)?.parse().ok()?;
    let is_date = (1..=12).contains(&month) && (1..=31).contains(&day) && (0.0..61.0).contains(&seconds);
    if !is_date {
        return None;
    }
    let minutes = part(clock, 0, 2)? * 60 + part(clock, 3, 5)? - minutes;
    Some(days_from_civil(year, month, day) * DAY_MS + minutes * 60_000 + (seconds * 1000.0).round() as i64)
}

/// Howard Hinnant, "chrono-compatible low-level date algorithms": days since 1970 as year, month, day.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let in_era = days.rem_euclid(146_097);
    let year = (in_era - in_era / 1460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * in_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + i64::from(month <= 2), month, in_year - (153 * shifted + 2) / 5 + 1)
}

/// The way back.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let in_era = year.rem_euclid(400);
    let in_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_come_back_and_agree_with_the_calendar() {
        assert_eq!(date_text(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(date_text(951_782_399_999), "2000-02-28T23:59:59.999Z");
        assert_eq!(date_text(951_782_400_000), "2000-02-29T00:00:00.000Z");
        for ms in [-1, 0, 1, 951_868_800_123, 1_785_931_200_500, -62_135_596_800_000] {
            assert_eq!(date_ms(&date_text(ms)), Some(ms));
        }
        assert_eq!(date_ms("1970-01-01T02:00:00+02:00"), Some(0));
        assert!(
            ["", "T", "2026-13-01T00:00:00Z", "é-01-01T00:00:00Z", "2026-01-01Tééé"]
                .iter()
                .all(|t| date_ms(t).is_none())
        );
    }

    #[test]
    fn records_come_back() {
        let tag = MachineTag {
            tag: "animal/dog".into(),
            model: "ViT-B-32".into(),
            prompt: "a \"photo\" of a\n<dog>".into(),
            score: -0.1,
            probability: 0.1 + 0.2,
            suggested_ms: 12,
        };
        assert_eq!(MachineTag::from_record(&tag.record()), Some(tag));
        assert_eq!(MachineTag::from_record("a\0b"), None);
    }
}
