//! Evaluations as tables, to read in a terminal or to paste as Markdown.

use super::{Averages, Comparison, Evaluation, Numbers};

/// The most confusions in a table.
const MOST_CONFUSIONS: usize = 10;

impl Evaluation {
    /// Tables with aligned columns.
    pub fn to_text(&self) -> String {
        self.tables().into_iter().map(|table| table.text()).collect::<Vec<_>>().join("\n")
    }

    /// The same tables as Markdown.
    pub fn to_markdown(&self) -> String {
        self.tables().into_iter().map(|table| table.markdown()).collect::<Vec<_>>().join("\n")
    }

    fn tables(&self) -> Vec<Table> {
        let best = format!("best {}", self.measure);
        let head = ["label", "known", "true", "precision", "recall", "F1", "AP", "ECE", "threshold", &best, "at"];
        let mut labels = Table::new(&head);
        for label in &self.labels {
            labels.rows.push(vec![
                label.name.clone(),
                label.known.to_string(),
                label.support.to_string(),
                with_interval(label.precision, label.precision_interval),
                with_interval(label.recall, label.recall_interval),
                number(label.f1),
                number(label.average_precision),
                number(label.reliability.calibration_error),
                format!("{:.3}", label.threshold),
                number(label.best.map(|best| best.value)),
                number(label.best.map(|best| best.threshold)),
            ]);
        }
        labels.rows.push(averages("mean over labels", &self.macro_));
        labels.rows.push(averages("all decisions", &self.micro));
        let mut tables = vec![labels];
        if !self.confusions.is_empty() {
            let mut confusions = Table::new(&["true, not suggested", "suggested instead", "photos"]);
            confusions.rows = self
                .confusions
                .iter()
                .take(MOST_CONFUSIONS)
                .map(|confusion| {
                    vec![confusion.truth.clone(), confusion.suggested.clone(), confusion.photos.to_string()]
                })
                .collect();
            tables.push(confusions);
        }
        tables
    }
}

impl Comparison {
    /// A table with aligned columns.
    pub fn to_text(&self) -> String {
        self.table().text()
    }

    /// The same table as Markdown.
    pub fn to_markdown(&self) -> String {
        self.table().markdown()
    }

    fn table(&self) -> Table {
        let mut table = Table::new(&["label", "true", "precision", "recall", "F1", "AP", "F1 difference"]);
        let pair = |a: Option<f64>, b: Option<f64>| format!("{} → {}", number(a), number(b));
        for label in &self.labels {
            let Numbers { precision, recall, f1, average_precision } = label.first;
            let second = label.second;
            table.rows.push(vec![
                label.name.clone(),
                label.support.to_string(),
                pair(precision, second.precision),
                pair(recall, second.recall),
                pair(f1, second.f1),
                pair(average_precision, second.average_precision),
                label.f1_difference.map_or("–".into(), |by| match label.f1_interval {
                    Some([low, high]) => format!("{by:+.3} ({low:+.3} to {high:+.3})"),
                    None => format!("{by:+.3}"),
                }),
            ]);
        }
        let (a, b) = (self.macro_first, self.macro_second);
        table.rows.push(vec![
            "mean over labels".into(),
            String::new(),
            pair(a.precision, b.precision),
            pair(a.recall, b.recall),
            pair(a.f1, b.f1),
            pair(a.average_precision, b.average_precision),
            a.f1.zip(b.f1).map_or("–".into(), |(a, b)| format!("{:+.3}", b - a)),
        ]);
        table
    }
}

fn averages(name: &str, of: &Averages) -> Vec<String> {
    let mut row = vec![name.to_owned(), String::new(), String::new()];
    row.extend([of.precision, of.recall, of.f1, of.average_precision].map(number));
    row.extend([const { String::new() }; 4]);
    row
}

fn number(value: Option<f64>) -> String {
    value.map_or("–".into(), |value| format!("{value:.3}"))
}

fn with_interval(value: Option<f64>, interval: Option<[f64; 2]>) -> String {
    match interval {
        Some([low, high]) => format!("{} ({low:.2}–{high:.2})", number(value)),
        None => number(value),
    }
}

struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    fn new(head: &[&str]) -> Self {
        Self { head: head.iter().map(|word| (*word).to_owned()).collect(), rows: vec![] }
    }

    fn lines(&self) -> impl Iterator<Item = &Vec<String>> {
        std::iter::once(&self.head).chain(&self.rows)
    }

    /// The first column to the left, numbers to the right.
    fn text(&self) -> String {
        let width = |column: usize| self.lines().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
        };
        self.lines().map(line).collect()
    }

    fn markdown(&self) -> String {
        let line = |row: &Vec<String>| {
            // A label may hold what ends a cell.
            let cells: Vec<String> = row.iter().map(|cell| cell.replace('\\', "\\\\").replace('|', "\\|")).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let rule = format!("| --- |{}\n", " ---: |".repeat(self.head.len() - 1));
        let rows: String = self.rows.iter().map(line).collect();
        line(&self.head) + &rule + &rows
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Measure, compare, tests::plain};

    #[test]
    fn tables_have_aligned_columns_in_a_terminal_and_cells_in_markdown() {
        let [mut first, mut second] = [(); 2].map(|()| plain(&["a|b", "犬"]));
        for (scores, truth) in [([0.9, 0.1], 0), ([0.8, 0.2], 0), ([0.7, 0.3], 1)] {
            first.photo_with_all_known(&scores, &[truth]).unwrap();
            second.photo_with_all_known(&[scores[1], scores[0]], &[truth]).unwrap();
        }
        let evaluation = first.finish(Measure::F2);
        let text = evaluation.to_text();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("label") && lines[0].ends_with("best f2     at"), "{text}");
        assert!(lines[1].starts_with("a|b") && lines[1].contains("0.667 (0.21–0.94)"), "{text}");
        assert_eq!(lines[0].chars().count(), lines[1].chars().count(), "{text}");
        assert!(
            lines.iter().any(|line| line.starts_with('犬') && line.contains("a|b") && line.ends_with('1')),
            "{text}"
        );
        let markdown = evaluation.to_markdown();
        assert!(markdown.contains("| a\\|b | 3 | 2 | 0.667"), "{markdown}");
        let compared = compare(&first, &second).unwrap();
        assert!(compared.to_markdown().contains("0.800 → 0.000"), "{}", compared.to_markdown());
        assert!(compared.to_text().contains("-0.800 ("), "{}", compared.to_text());
    }
}
