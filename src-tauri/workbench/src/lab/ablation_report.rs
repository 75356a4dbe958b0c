//! An ablation as a page that can be kept: Markdown, or HTML with the picture inside.

use std::fmt::Write;

use crate::messages::{AblationPair, AblationReport, HeadForm, Judged, MeanSd, TuneLoss, Verdict};

/// Height of a row of the picture, and the width of its two parts, in pixels.
const ROW: f64 = 28.0;
const NAMES: f64 = 300.0;
const PLOT: f64 = 420.0;

/// A form in words.
pub fn form_name(form: Option<HeadForm>) -> &'static str {
    match form {
        None => "the model's own, not tuned",
        Some(HeadForm::Linear) => "linear",
        Some(HeadForm::LinearBias) => "linear + bias",
        Some(HeadForm::Mlp) => "MLP",
        Some(HeadForm::MlpBias) => "MLP + bias",
    }
}

/// What a verdict says of the second of two.
pub fn verdict_words(judged: &Judged) -> &'static str {
    match judged.verdict {
        Verdict::Helped => "better",
        Verdict::Hurt => "worse",
        Verdict::NoDifference => "no difference that these photos could show",
        Verdict::TooFew => "too few photos to say",
    }
}

/// The report as Markdown.
pub fn markdown(report: &AblationReport) -> String {
    let mut out = format!("# Linear or MLP, bias or none: {}\n\n{}\n\n", report.model, setting(report));
    out.push_str("| head | parameters | accuracy | macro F1 | mean average precision | loss |\n| --- | --- | --- | --- | --- | --- |\n");
    for row in &report.rows {
        let [accuracy, f1, precision] = [row.accuracy, row.macro_f1, row.mean_average_precision].map(percent);
        let MeanSd { mean, sd } = row.loss;
        let name = form_name(row.form);
        let _ =
            writeln!(out, "| {name} | {} | {accuracy} | {f1} | {precision} | {mean:.4} ± {sd:.4} |", row.parameters);
    }
    out.push_str("\nMean ± standard deviation over seeds, in per cent, on photos that were held out.\n\n");
    out.push_str(
        "| from | to | difference in accuracy | 95 % interval | p | verdict |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for pair in &report.pairs {
        let [from, to] = [form_name(pair.from), form_name(Some(pair.to))];
        let difference = pair.judged.difference;
        let [mean, low, high] = [difference.mean, difference.low, difference.high].map(points);
        let words = verdict_words(&pair.judged);
        let _ = writeln!(
            out,
            "| {from} | {to} | {mean} | {low} to {high} | {} | {words} |",
            probability(difference.p_value)
        );
    }
    out.push_str("\nDifferences are in percentage points; intervals by a paired bootstrap over photos, p by the exact sign test.\n");
    let _ = write!(out, "\n{}\n", classes(report));
    out
}

/// The report as one HTML page, with the picture inside.
pub fn html(report: &AblationReport) -> String {
    let title = format!("Linear or MLP, bias or none: {}", escaped(&report.model));
    let mut rows = String::new();
    for row in &report.rows {
        let [accuracy, f1, precision] = [row.accuracy, row.macro_f1, row.mean_average_precision].map(percent);
        let MeanSd { mean, sd } = row.loss;
        let _ = write!(
            rows,
            "<tr><th>{}</th><td>{}</td><td>{accuracy}</td><td>{f1}</td><td>{precision}</td><td>{mean:.4} ± {sd:.4}</td></tr>",
            form_name(row.form),
            row.parameters
        );
    }
    let mut pairs = String::new();
    for pair in &report.pairs {
        let difference = pair.judged.difference;
        let [mean, low, high] = [difference.mean, difference.low, difference.high].map(points);
        let _ = write!(
            pairs,
            "<tr><th>{}</th><th>{}</th><td>{mean}</td><td>{low} to {high}</td><td>{}</td><td>{}</td></tr>",
            form_name(pair.from),
            form_name(Some(pair.to)),
            escaped(&probability(difference.p_value)),
            verdict_words(&pair.judged)
        );
    }
    format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\n<style>{STYLE}</style>\n\
         <h1>{title}</h1>\n<p>{setting}</p>\n{picture}\n\
         <table><thead><tr><th>head</th><th>parameters</th><th>accuracy</th><th>macro F1</th>\
         <th>mean average precision</th><th>loss</th></tr></thead><tbody>{rows}</tbody></table>\n\
         <p>Mean ± standard deviation over seeds, in per cent, on photos that were held out.</p>\n\
         <table><thead><tr><th>from</th><th>to</th><th>difference</th><th>95 % interval</th><th>p</th>\
         <th>verdict</th></tr></thead><tbody>{pairs}</tbody></table>\n\
         <p>Differences in accuracy are in percentage points; intervals by a paired bootstrap over photos, p by the exact \
         sign test.</p>\n<p>{classes}</p>\n</html>\n",
        setting = escaped(&setting(report)),
        picture = picture(&report.pairs),
        classes = escaped(&classes(report)),
    )
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;\
    background:#fff}table{border-collapse:collapse;margin:1rem 0}th,td{padding:.3rem .7rem;border-bottom:1px solid #ddd;\
    text-align:right;font-variant-numeric:tabular-nums}th:first-child,tbody th{text-align:left;font-weight:600}svg{max-width:100%}";

fn setting(report: &AblationReport) -> String {
    let options = &report.options;
    let photos: u32 = report.classes.iter().map(|class| class.photos).sum();
    let loss = match options.loss {
        TuneLoss::Softmax => "softmax",
        TuneLoss::Sigmoid => "sigmoid",
    };
    format!(
        "{photos} photos in {} classes; {} folds, {} seeds, {loss} loss, pull {} to the start, Adam with step {}, at most {} \
         passes. Every form starts as the same function and sees the same photos in the same order. As in open_clip, the \
         first layer of an MLP always has a bias; \"bias\" is that of the last layer. It took {:.0} s.",
        report.classes.len(),
        options.folds,
        options.seeds,
        options.pull,
        options.learning_rate,
        options.epochs,
        report.elapsed_secs
    )
}

fn classes(report: &AblationReport) -> String {
    let named: Vec<String> = report.classes.iter().map(|class| format!("{} ({})", class.name, class.photos)).collect();
    format!("Classes: {}.", named.join(", "))
}

/// A p value; one that three places would show as 0 is not 0.
fn probability(p: f64) -> String {
    if p < 0.0005 { "< 0.001".into() } else { format!("{p:.3}") }
}

fn percent(value: MeanSd) -> String {
    format!("{:.1} ± {:.1}", value.mean * 100.0, value.sd * 100.0)
}

fn points(value: f64) -> String {
    format!("{:+.1}", value * 100.0)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Differences with their intervals, as dots and whiskers around zero.
fn picture(pairs: &[AblationPair]) -> String {
    let ends = pairs.iter().flat_map(|pair| [pair.judged.difference.low, pair.judged.difference.high]);
    // An axis around zero that holds every whisker, never narrower than a point.
    let reach = ends.map(f64::abs).fold(0.01, f64::max) * 1.1;
    let x = |value: f64| NAMES + PLOT * (value + reach) / (2.0 * reach);
    let height = ROW * (pairs.len() as f64 + 1.0);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" role=\"img\" \
         aria-label=\"Differences in held-out accuracy\" font-family=\"system-ui,sans-serif\" font-size=\"13\">\
         <line x1=\"{zero:.1}\" x2=\"{zero:.1}\" y1=\"0\" y2=\"{foot:.1}\" stroke=\"#999\"/>",
        width = NAMES + PLOT + 20.0,
        zero = x(0.0),
        foot = height - ROW,
    );
    for (index, pair) in pairs.iter().enumerate() {
        let y = ROW * (index as f64 + 0.5);
        let difference = pair.judged.difference;
        let _ = write!(
            out,
            "<text x=\"0\" y=\"{base:.1}\">{} → {}</text><line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" \
             stroke=\"#1f5fbf\" stroke-width=\"2\"/><circle cx=\"{:.1}\" cy=\"{y:.1}\" r=\"4.5\" fill=\"#1f5fbf\"/>",
            if pair.from.is_none() { "not tuned" } else { form_name(pair.from) },
            form_name(Some(pair.to)),
            x(difference.low),
            x(difference.high),
            x(difference.mean),
            base = y + 4.0,
        );
    }
    for value in [-reach / 1.1, 0.0, reach / 1.1] {
        let _ = write!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#555\">{}</text>",
            x(value),
            height - ROW / 2.0 + 4.0,
            points(value)
        );
    }
    out.push_str("</svg>");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::{AblationOptions, AblationRow, ClassInfo, Difference};

    fn report() -> AblationReport {
        let spread = |mean| MeanSd { mean, sd: 0.012 };
        let row = |form, mean| AblationRow {
            form,
            parameters: 1234,
            accuracy: spread(mean),
            macro_f1: spread(mean),
            mean_average_precision: spread(mean),
            loss: spread(0.5),
        };
        let difference = Difference { mean: -0.004, low: -0.021, high: 0.013, p_value: 0.75 };
        AblationReport {
            model: "a <model>".into(),
            options: AblationOptions {
                loss: TuneLoss::Softmax,
                pull: 0.1,
                learning_rate: 1e-3,
                epochs: 40,
                patience: 8,
                folds: 5,
                seeds: 3,
            },
            classes: vec![ClassInfo { name: "cat".into(), photos: 12 }, ClassInfo { name: "dog".into(), photos: 30 }],
            rows: vec![row(None, 0.5), row(Some(HeadForm::Linear), 0.71)],
            pairs: vec![AblationPair {
                from: Some(HeadForm::Linear),
                to: HeadForm::LinearBias,
                judged: Judged { difference, verdict: Verdict::NoDifference },
            }],
            elapsed_secs: 12.3,
        }
    }

    #[test]
    fn markdown_has_every_figure_and_its_setting() {
        let text = markdown(&report());
        assert!(text.contains("| linear | 1234 | 71.0 ± 1.2 |"), "{text}");
        assert!(text.contains("| linear | linear + bias | -0.4 | -2.1 to +1.3 | 0.750 | no difference"), "{text}");
        assert!(text.contains("42 photos in 2 classes; 5 folds, 3 seeds") && text.contains("cat (12), dog (30)"));
    }

    #[test]
    fn a_small_p_is_not_zero() {
        assert_eq!((probability(1e-9).as_str(), probability(0.0421).as_str()), ("< 0.001", "0.042"));
    }

    #[test]
    fn html_holds_its_picture_and_lets_no_name_be_markup() {
        let text = html(&report());
        assert!(text.contains("<svg") && text.contains("a &lt;model&gt;") && !text.contains("<model>"));
        assert_eq!(text.matches("<circle").count(), 1);
    }
}
