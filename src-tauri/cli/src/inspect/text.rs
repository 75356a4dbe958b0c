//! What `inspect` prints for people.

use std::{collections::HashMap, fmt::Write};

use cliploupe_workbench::{
    Workbench,
    messages::{
        BiasState, CollectionReport, Comparison, ExportPlan, Exported, HeadKind, JointCard, Judged, LabEffect,
        MatrixFacts, Meaning, PhotoId, PriorRow, ProjectionCard, ProjectionReport, SideComparison, SideFigures,
        SidePlan, StoredAs, TensorRow, TuneReport, Upstream, Verdict,
    },
};
use serde_json::Value;

/// Rows of a list that are printed of a long one.
const ROWS: usize = 10;

pub fn failures(failed: &[Value]) -> String {
    let word = |failure: &Value, key: &str| failure[key].as_str().unwrap_or_default().to_owned();
    failed.iter().map(|failure| format!("failed: {}: {}\n", word(failure, "path"), word(failure, "error"))).collect()
}

pub fn projections(report: &ProjectionReport) -> String {
    let edited = if report.edited { ", with edits in force" } else { "" };
    format!("{}{edited}\n\n{}\n{}", report.model, card("image", &report.image), card("text", &report.text))
}

fn card(side: &str, card: &ProjectionCard) -> String {
    let kind = match card.kind {
        HeadKind::Linear => "linear",
        HeadKind::Mlp => "MLP",
        HeadKind::None => "none: the tower's output is the embedding",
        HeadKind::AttentionPool => "the last matrix of an attention pool",
    };
    let mut out = format!("{side} projection: {kind}, {} → {}\n", card.input_dim, card.output_dim);
    for map in &card.maps {
        let [rows, columns] = map.stored_shape;
        let order = match map.stored_as {
            StoredAs::InOut => "x @ W",
            StoredAs::OutIn => "W x",
        };
        let bias = match (map.bias, map.bias_norm) {
            (BiasState::Absent, _) | (_, None) => "absent".to_owned(),
            (BiasState::Zero, _) => "all zero".to_owned(),
            (BiasState::Present, Some(norm)) => format!("‖b‖ {norm:.4}"),
        };
        let figures = &map.figures;
        let _ = writeln!(out, "  {} [{rows}, {columns}], {order}; bias: {bias}", map.key);
        let (first, last) = (figures.singular_values.first(), figures.singular_values.last());
        let _ = writeln!(
            out,
            "    σ {:.4} … {:.4}, effective rank {:.1} of {}, stable rank {:.1}, participation {:.1}, condition {}",
            first.copied().unwrap_or(0.0),
            last.copied().unwrap_or(0.0),
            figures.effective_rank,
            figures.singular_values.len(),
            figures.stable_rank,
            figures.participation_ratio,
            figures.condition_number.map_or_else(|| "infinite".to_owned(), |number| format!("{number:.1}")),
        );
        if figures.spanned_share < 1.0 {
            let _ = writeln!(out, "    spans {:.1} % of the joint space", figures.spanned_share * 100.0);
        }
        for (what, dims) in [("dead outputs", &figures.dead_outputs), ("loud outputs", &figures.loud_outputs)] {
            if !dims.is_empty() {
                let _ = writeln!(out, "    {what}: {}", listed(dims));
            }
        }
    }
    match &card.affine {
        Some(affine) => {
            let _ = writeln!(out, "  in front: {}, ‖β‖ {:.4}", affine.key, affine.shift_norm);
        }
        None => out.push_str("  in front: nothing that is known to shift\n"),
    }
    if let Some(bias) = &card.effective_bias {
        let _ = write!(
            out,
            "  effective bias ‖W β + b‖ {:.4} (W β {:.4}, b {:.4})",
            bias.norm, bias.from_shift, bias.from_bias
        );
        if let Some(of_mean) = &bias.of_mean {
            let _ = write!(
                out,
                ": {:.1} % of the mean of {} vectors, cosine {:.3}",
                of_mean.explained * 100.0,
                of_mean.count,
                of_mean.cosine
            );
        }
        out.push('\n');
    }
    let field = card.bias_field.as_deref().unwrap_or("none");
    let upstream = match card.upstream {
        Upstream::AsConfigured => "loads it as it is",
        Upstream::WithField => "loads it once its configuration says so",
        Upstream::NoOption => "has no option for it",
    };
    let _ = writeln!(out, "  a bias is switched on by: {field}; open_clip {upstream}");
    out
}

fn listed(values: &[u32]) -> String {
    let shown: Vec<String> = values.iter().take(ROWS).map(u32::to_string).collect();
    let more = values.len().saturating_sub(ROWS);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}

pub fn joint(joint: &JointCard) -> String {
    let mut out = format!("joint space: {} dimensions, logit scale {:.3}", joint.dim, joint.logit_scale);
    if let Some(bias) = joint.logit_bias {
        let _ = write!(out, ", logit bias {bias:.3}");
    }
    out.push('\n');
    if let Some(psi) = &joint.psi {
        let [from, to] = psi.band;
        let values = &psi.singular_values;
        let (first, last) = (values.first().copied().unwrap_or(0.0), values.last().copied().unwrap_or(0.0));
        let _ = writeln!(
            out,
            "  Ψ = W_imageᵀ W_text: σ {first:.4} … {last:.4}, flat from {from} to {to} of {}",
            values.len()
        );
    }
    if let Some((least, most)) = joint.angles.as_ref().and_then(|angles| angles.first().zip(angles.last())) {
        let _ = writeln!(out, "  principal angles between the two column spaces: {least:.1}° … {most:.1}°");
    }
    out
}

pub fn collection(report: &CollectionReport) -> String {
    let mut out = String::from("\nbefore and after the projection\n");
    for (what, figures) in [("photos", &report.image), ("labels", &report.text)] {
        if let Some(figures) = figures {
            out.push_str(&side(what, figures));
        }
    }
    if let Some(gap) = &report.gap {
        let _ = write!(out, "  modality gap {:.3}, mean cosine of a photo and a label {:.3}", gap.norm, gap.image_text);
        for (side, cosine) in [("image", gap.along_image_bias), ("text", gap.along_text_bias)] {
            if let Some(cosine) = cosine {
                let _ = write!(out, ", cosine with the {side} bias {cosine:.3}");
            }
        }
        out.push('\n');
    }
    out
}

fn side(what: &str, figures: &SideFigures) -> String {
    let mut out = format!("  {} {what}: ‖mean unit vector‖ {:.3}", figures.count, figures.mean_norm);
    if let Some([before, after]) = figures.cone {
        let _ = write!(out, ", mean cosine {before:.3} → {after:.3}");
    }
    if let Some(cka) = figures.cka {
        let _ = write!(out, ", CKA {cka:.3}");
    }
    if let Some(overlap) = figures.overlap {
        let [share, chance] = [overlap.share, overlap.chance].map(|share| share * 100.0);
        let _ = write!(out, ", {share:.0} % of {} neighbours kept (chance {chance:.0} %)", overlap.k);
    }
    if let Some([before, after]) = figures.covariance_rank {
        let _ = write!(out, ", effective rank {before:.1} → {after:.1}");
    }
    if let Some(lost) = figures.null_space.as_ref().filter(|lost| lost.dim > 0) {
        let _ = write!(out, ", {:.1} % of the energy thrown away ({} directions)", lost.mean * 100.0, lost.dim);
    }
    out.push('\n');
    out
}

pub fn prior(report: &ProjectionReport, rows: &[PriorRow]) -> String {
    if rows.is_empty() {
        let has_bias = report.image.effective_bias.as_ref().is_some_and(|bias| bias.norm > 0.0);
        let why = if has_bias { "there are no labels" } else { "nothing is known to shift the image vectors" };
        return format!("\nclass prior: none, since {why}\n");
    }
    let row = |row: &PriorRow| format!("  {:+.4}  logit {:+.3}  {}\n", row.product, row.logit, row.label);
    let ends: String = if rows.len() <= 2 * ROWS {
        rows.iter().map(row).collect()
    } else {
        let first: String = rows[..ROWS].iter().map(row).collect();
        first + "  …\n" + &rows[rows.len() - ROWS..].iter().map(row).collect::<String>()
    };
    format!("\nclass prior t·b_eff, the same for every photo\n{ends}")
}

fn names(bench: &Workbench) -> HashMap<PhotoId, String> {
    bench.photos().into_iter().map(|photo| (photo.id, photo.path)).collect()
}

pub fn meaning(bench: &Workbench, along: &str, meaning: &Meaning) -> String {
    let mut out = format!("\nalong {along}, length {:.4}\n", meaning.length);
    let names = names(bench);
    let labels: Vec<(f64, &str)> = meaning.labels.iter().map(|row| (row.value, row.label.as_str())).collect();
    let photos: Vec<(f64, &str)> =
        meaning.photos.iter().map(|row| (row.value, names.get(&row.id).map_or("", String::as_str))).collect();
    for (what, rows) in [("labels", labels), ("photos", photos)] {
        let _ = writeln!(out, "  {what}");
        let shown = rows.len().min(ROWS);
        let tail = rows.len().saturating_sub(ROWS).max(shown);
        for (value, name) in rows[..shown].iter().chain(&rows[tail..]) {
            let _ = writeln!(out, "    {value:+.4}  {name}");
        }
    }
    out
}

pub fn effect(bench: &Workbench, effect: &LabEffect) -> String {
    let mut out = format!("{} of {} photos change their top label\n", effect.changed, effect.photos);
    let names = names(bench);
    for flip in effect.flips.iter().take(ROWS) {
        let name = names.get(&flip.id).map_or("", String::as_str);
        let (before, after) = (&flip.before, &flip.after);
        let _ = writeln!(
            out,
            "  {name}: {} ({:.1} %) → {} ({:.1} %)",
            before.label,
            before.probability * 100.0,
            after.label,
            after.probability * 100.0
        );
    }
    let figure = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"));
    let rows = [
        ("modality gap", effect.before.gap, effect.after.gap),
        ("mean cosine of photos", effect.before.cone_image, effect.after.cone_image),
        ("mean cosine of labels", effect.before.cone_text, effect.after.cone_text),
        ("mean cosine of a photo and a label", effect.before.image_text, effect.after.image_text),
    ];
    for (what, before, after) in rows {
        let _ = writeln!(out, "  {what}: {} → {}", figure(before), figure(after));
    }
    if let Some([before, after]) = &effect.measures {
        let _ = writeln!(
            out,
            "  accuracy on {} photos in folders named by class: {:.1} % → {:.1} %",
            before.photos,
            before.accuracy * 100.0,
            after.accuracy * 100.0
        );
    }
    out.push('\n');
    out
}

pub fn comparison(comparison: &Comparison) -> String {
    let mut out = format!(
        "\n{} against {} on {} photos and {} labels\n",
        comparison.left, comparison.right, comparison.photos, comparison.labels
    );
    for (what, side) in [("image", &comparison.image), ("text", &comparison.text)] {
        let _ = writeln!(out, "  {what}: {}", side_comparison(side));
    }
    if let Some(agreement) = comparison.agreement {
        let _ = writeln!(out, "  the same top label for {:.1} % of the photos", agreement * 100.0);
    }
    out
}

fn side_comparison(side: &SideComparison) -> String {
    let mut parts = Vec::new();
    if let Some([distance, share]) = side.distance {
        parts.push(format!("‖ΔW‖ {distance:.4} ({:.1} %)", share * 100.0));
    }
    if let Some(distance) = side.bias_distance {
        parts.push(format!("‖Δb_eff‖ {distance:.4}"));
    }
    if let Some((least, most)) = side.angles.as_ref().and_then(|angles| angles.first().zip(angles.last())) {
        parts.push(format!("angles {least:.1}° … {most:.1}°"));
    }
    if let Some(cka) = side.cka {
        parts.push(format!("CKA {cka:.3}"));
    }
    if let Some(left) = side.procrustes {
        parts.push(format!("{:.1} % left by a rotation", left * 100.0));
    }
    if let Some(overlap) = side.overlap {
        parts.push(format!("{:.0} % of {} neighbours in common", overlap.share * 100.0, overlap.k));
    }
    if parts.is_empty() { "nothing to compare".into() } else { parts.join(", ") }
}

pub fn tensors(rows: &[TensorRow]) -> String {
    rows.iter()
        .map(|row| format!("{:>12}  {:<5} {:<20} {}\n", row.count, row.dtype, format!("{:?}", row.shape), row.name))
        .collect()
}

pub fn matrix(facts: &MatrixFacts) -> String {
    let figure = |value: Option<f64>| value.map_or_else(|| "none".to_owned(), |value| format!("{value:.6}"));
    format!(
        "\n{} {:?} {}\n  min {}, max {}, mean {}, standard deviation {}, zeros {:.2} %, NaN {}, infinite {}\n",
        facts.name,
        facts.shape,
        facts.dtype,
        figure(facts.min),
        figure(facts.max),
        figure(facts.mean),
        figure(facts.std),
        facts.sparsity * 100.0,
        facts.nan,
        facts.infinite
    )
}

fn judged(what: &str, judged: &Judged) -> String {
    let difference = judged.difference;
    let [mean, low, high] = [difference.mean, difference.low, difference.high].map(|value| value * 100.0);
    let verdict = match judged.verdict {
        Verdict::Helped => "helped",
        Verdict::Hurt => "hurt",
        Verdict::NoDifference => "made no difference that these photos could show",
        Verdict::TooFew => "cannot be judged: there are too few photos",
    };
    let p = if difference.p_value < 0.0005 { "p < 0.001".into() } else { format!("p {:.3}", difference.p_value) };
    format!("{what} {verdict}: {mean:+.1} points, 95 % interval {low:+.1} to {high:+.1}, {p}\n")
}

pub fn tune(report: &TuneReport) -> String {
    let photos: u32 = report.classes.iter().map(|class| class.photos).sum();
    let mut out =
        format!("{photos} photos in {} classes, {} parts held out in turn\n", report.classes.len(), report.folds.len());
    if let Some(bias) = &report.bias {
        out.push_str(&judged("the bias", bias));
    }
    out.push_str(&judged("tuning", &report.tuning));
    let [before, after] = report.measures;
    let rows = [
        ("accuracy", before.accuracy, after.accuracy),
        ("macro F1", before.macro_f1, after.macro_f1),
        ("mean average precision", before.mean_average_precision, after.mean_average_precision),
    ];
    for (what, before, after) in rows {
        let _ = writeln!(out, "  held-out {what}: {:.1} % → {:.1} %", before * 100.0, after * 100.0);
    }
    let _ = writeln!(out, "  {:.1} s\n", report.elapsed_secs);
    out
}

pub fn exported(exported: &Exported) -> String {
    let Exported { path, bytes, difference } = exported;
    format!("\nwritten: {path} ({bytes} bytes); read back, embeddings differ by {difference:.1e} at most\n")
}

pub fn plan(plan: &ExportPlan) -> String {
    let side = |plan: &SidePlan| match plan {
        SidePlan::Unchanged => "as it was".to_owned(),
        SidePlan::Weights => "new weights under the old keys".to_owned(),
        SidePlan::Folded { key, residual, share } => {
            format!("the bias is in {key}; {residual:.1e} of it is left ({share:.1e} of its length)")
        }
        SidePlan::Field { field } => format!("with {field} in the configuration"),
        SidePlan::Refused { problem } => format!("refused: {}", problem.message),
    };
    format!("  image: {}\n  text: {}\n", side(&plan.image), side(&plan.text))
}
