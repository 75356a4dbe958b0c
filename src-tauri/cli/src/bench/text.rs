//! Figures as tables.

use serde_json::Value;

/// All that was measured, and what could not be.
pub fn report(machine: &Value, models: &[Value], failed: &[Value]) -> String {
    let mut text = about(machine);
    models.iter().for_each(|found| text.push_str(&table(found)));
    for failure in failed {
        let [section, path, error] = ["section", "path", "error"].map(|key| failure[key].as_str().unwrap_or(""));
        let on = failure["device"].as_str().map(|device| format!(" on {device}")).unwrap_or_default();
        let of = if path.is_empty() { String::new() } else { format!(" {path}:") };
        text.push_str(&format!("failed: {section}{on}:{of} {error}\n"));
    }
    text
}

fn about(machine: &Value) -> String {
    let word = |key: &str| machine[key].as_str().unwrap_or("");
    let simd: Vec<&str> = machine["simd"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let memory = machine["memory_mib"].as_u64().map(|mib| format!(", {mib} MiB of memory")).unwrap_or_default();
    let cpu = if word("cpu").is_empty() { "a processor" } else { word("cpu") };
    let warning = if word("profile") == "debug" { ": its figures say nothing about a release" } else { "" };
    format!(
        "{cpu}, {} cores ({}){memory}; {}\ncliploupe-cli {}, {} build{warning}\n",
        machine["cores"],
        simd.join(" "),
        word("os"),
        word("version"),
        word("profile"),
    )
}

fn table(found: &Value) -> String {
    let word = |key: &str| found[key].as_str().unwrap_or("");
    let mut text = format!("\n{}: {} on {}", word("section"), word("model"), word("device"));
    if word("device") != "cpu" && !word("adapter").is_empty() {
        text.push_str(&format!(" ({})", word("adapter")));
    }
    text.push('\n');
    let figures = found["figures"].as_array().map(Vec::as_slice).unwrap_or_default();
    let what = |figure: &Value| figure["what"].as_str().unwrap_or("").to_owned();
    let width = figures.iter().map(|figure| what(figure).chars().count()).max().unwrap_or(0);
    for figure in figures {
        let unit = figure["unit"].as_str().unwrap_or("");
        let value = shown(figure["value"].as_f64().unwrap_or(f64::NAN), unit);
        text.push_str(format!("  {:<width$} {value:>10} {unit}", what(figure)).trim_end());
        text.push('\n');
    }
    for (key, words) in [("bound", "slowest stage alone"), ("worst", "lowest of all")] {
        if !word(key).is_empty() {
            text.push_str(&format!("  {words}: {}\n", word(key)));
        }
    }
    text
}

/// Three digits or more, as many as say something; shares and cosines have six behind the point.
fn shown(value: f64, unit: &str) -> String {
    match value.abs() {
        _ if unit.is_empty() && value.fract() == 0.0 => format!("{value:.0}"),
        _ if unit.is_empty() => format!("{value:.6}"),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn values_have_as_many_digits_as_say_something() {
        let shown = [(1234.5, "ms"), (45.67, "ms"), (0.987, "×"), (0.999_871_2, ""), (500.0, "")]
            .map(|(value, unit)| shown(value, unit));
        assert_eq!(shown, ["1234", "45.7", "0.99", "0.999871", "500"]);
    }
}
