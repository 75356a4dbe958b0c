//! The projection screen and the bias lab: a bias is read, edits are seen to change labels and are undone, a projection
//! is tuned, exported, and loaded again with the same labels.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::{
    LABELLED, Outcome,
    app::{App, RANDOM_MODEL},
    asset, dialog,
};

/// Photos of each class that the tuning is shown.
const PER_CLASS: u32 = 14;

pub async fn story(app: &App) -> Outcome {
    app.wait_for(
        "the model is ready",
        r#"return document.querySelector("[data-testid=model]")?.dataset.state === "ready""#,
    )
    .await?;
    let home = tempfile::tempdir()?;
    the_screen_says_what_is_missing(app).await?;
    app.click("screen-photos").await?;
    // Copied text lives as long as its owner.
    let mut clipboard = arboard::Clipboard::new()?;
    paste_path(app, &mut clipboard, &asset("samples")).await?;
    app.wait_for("the samples are labelled", &format!("return {LABELLED} === 7")).await?;
    the_figures_are_read(app).await?;
    an_edit_changes_labels_and_is_undone(app).await?;
    a_photo_is_looked_into(app).await?;
    a_projection_is_tuned(app, &mut clipboard, home.path()).await?;
    the_export_gives_the_same_labels(app, home.path()).await
}

async fn paste_path(app: &App, clipboard: &mut arboard::Clipboard, path: &Path) -> Outcome {
    clipboard.set_text(path.display().to_string())?;
    app.press_paste().await?;
    Ok(())
}

async fn the_screen_says_what_is_missing(app: &App) -> Outcome {
    app.click("screen-projection").await?;
    let has_cards = r#"return document.querySelectorAll("[data-testid=projection-card]").length === 2"#;
    app.wait_for("both projections have a card", has_cards).await?;
    app.screenshot("projection-0-no-photos").await;
    Ok(())
}

/// The number that an element carries.
fn number(id: &str, key: &str) -> String {
    format!(
        r#"const found = document.querySelector("[data-testid={id}]")?.dataset.{key}; return found === undefined ? null : Number(found)"#
    )
}

async fn the_figures_are_read(app: &App) -> Outcome {
    app.click("screen-projection").await?;
    let bias_of = |side: &str| {
        format!(
            r#"const found = document.querySelector('[data-testid=projection-card][data-side={side}] [data-testid=effective-bias]')?.dataset.value; return found === undefined ? null : Number(found)"#
        )
    };
    app.wait_for(
        "the gap is measured",
        r#"return Number(document.querySelector("[data-testid=gap]")?.dataset.value) > 0.1"#,
    )
    .await?;
    // The image side has nothing in front that shifts, the text side a LayerNorm.
    assert_eq!(app.value(&bias_of("image")).await?.as_f64(), Some(0.0));
    let text = app.value(&bias_of("text")).await?.as_f64().unwrap_or(f64::NAN);
    assert!((0.3..0.5).contains(&text), "‖W β‖ of the text side is {text}");
    app.screenshot("projection-1-cards").await;
    for (tab, ready) in [
        ("spectrum", "[data-testid=chart-spectrum] path"),
        ("matrix", "[data-testid=heat-map] canvas"),
        ("meaning", "[data-testid=photos-along] [data-testid=strip-photo]"),
        ("planes", "[data-testid=plane-after]"),
        ("compare", "[data-testid=compare-run]"),
    ] {
        app.click(&format!("tab-{tab}")).await?;
        app.wait_for(&format!("the tab {tab} is drawn"), &format!("return !!document.querySelector('{ready}')"))
            .await?;
        app.screenshot(&format!("projection-2-{tab}")).await;
    }
    let with_bias = r#"const select = document.querySelector("[data-testid=panel-compare] select"); select.value = [...select.options].find(option => option.textContent.includes("linear-bias")).value; select.dispatchEvent(new Event("change", { bubbles: true }))"#;
    app.value(with_bias).await?;
    app.click("compare-run").await?;
    app.wait_for("two heads are compared", r#"return !!document.querySelector("[data-testid=comparison]")"#).await?;
    app.screenshot("projection-2-compared").await;
    Ok(())
}

async fn flips(app: &App) -> Result<Value, Box<dyn std::error::Error>> {
    app.value(&number("flips", "count")).await
}

async fn an_edit_changes_labels_and_is_undone(app: &App) -> Outcome {
    app.click("tab-edits").await?;
    app.wait_for("the lab is there", r#"return !!document.querySelector("[data-testid=add-edit]")"#).await?;
    app.screenshot("projection-3-no-edits").await;
    app.click("add-edit").await?;
    app.click("add-bias-labels").await?;
    app.wait_for("the edit is in the stack", r#"return document.querySelectorAll("[data-testid=edit]").length === 1"#)
        .await?;
    // Towards the first label of the set, strongly.
    app.value(r#"document.querySelector("[data-testid=edit-label]")?.click()"#).await?;
    let is_changed = r#"return Number(document.querySelector("[data-testid=flips]")?.dataset.count) > 0"#;
    app.wait_for("photos change their top label", is_changed).await?;
    app.click("flip").await?;
    app.wait_for(
        "the arithmetic is shown",
        r#"return document.querySelector("[data-testid=arithmetic]")?.dataset.lead !== undefined"#,
    )
    .await?;
    let sums = r#"const { lead, shift, total } = document.querySelector("[data-testid=arithmetic]").dataset; return [lead, shift, total].map(Number)"#;
    let found = app.value(sums).await?;
    let [lead, shift, total] = [0, 1, 2].map(|at| found[at].as_f64().unwrap_or(f64::NAN));
    assert!(lead <= 0.0 && total > 0.0 && (lead + shift - total).abs() < 1e-4, "{found}");
    app.screenshot("projection-4-flips").await;

    app.click("screen-photos").await?;
    app.wait_for(
        "the photos say that edits are in force",
        r#"return !!document.querySelector("[data-testid=lab-chip]")"#,
    )
    .await?;
    app.screenshot("projection-5-photos-follow").await;
    app.click("lab-chip").await?;
    while flips(app).await?.as_f64() != Some(0.0) {
        app.click("lab-undo").await?;
        app.wait_for(
            "the undoing is done",
            r#"return document.querySelector("[data-testid=flips]")?.dataset.busy !== "true""#,
        )
        .await?;
    }
    let is_unedited = r#"return !document.querySelector("[data-testid=lab-chip]")"#;
    app.wait_for("no edit is in force", is_unedited).await?;
    Ok(())
}

async fn a_photo_is_looked_into(app: &App) -> Outcome {
    app.click("screen-photos").await?;
    app.click_on(r#"[data-testid=photo][data-name="chelsea.png"]"#).await?;
    app.press_space().await?;
    app.wait_for("the large view is open", r#"return !!document.querySelector("[data-testid=inside-open]")"#).await?;
    app.click("inside-open").await?;
    let is_drawn = r#"return !!document.querySelector("[data-testid=place-map]")"#;
    app.wait_for("the map of places lies over the photo", is_drawn).await?;
    app.screenshot("projection-6-inside").await;
    app.press_escape().await?;
    app.value(r#"document.querySelector("[data-testid=large-close]")?.click()"#).await?;
    Ok(())
}

/// Pictures of two colours in folders named after them.
fn paint_classes(home: &Path) -> Outcome {
    for (name, base) in [("red", [200_u32, 40, 40]), ("green", [40, 170, 60])] {
        let folder = home.join("classes").join(name);
        fs::create_dir_all(&folder)?;
        for index in 0..PER_CLASS {
            let shade = |x: u32, y: u32, channel: usize| {
                let wave = (x * (index + 3) + y * 7) % 48;
                base[channel] / 2 + wave + index * 3
            };
            let picture = image::RgbImage::from_fn(96, 96, |x, y| {
                image::Rgb([0, 1, 2].map(|channel| shade(x, y, channel).min(255) as u8))
            });
            picture.save(folder.join(format!("{index}.png")))?;
        }
    }
    Ok(())
}

async fn a_projection_is_tuned(app: &App, clipboard: &mut arboard::Clipboard, home: &Path) -> Outcome {
    paint_classes(home)?;
    app.click("screen-photos").await?;
    paste_path(app, clipboard, &home.join("classes")).await?;
    app.wait_for("the classes are labelled", &all_through()).await?;
    app.click("screen-projection").await?;
    app.click("tab-tune").await?;
    let has_classes = r#"return Number(document.querySelector("[data-testid=classes]")?.dataset.count) >= 2"#;
    app.wait_for("the folders are classes", has_classes).await?;
    app.click("tune-start").await?;
    app.wait_for("the fit is judged", r#"return !!document.querySelector("[data-testid=tune-report]")"#).await?;
    let is_judged = r#"return [...document.querySelectorAll("[data-testid=verdict]")].every(found => ["helped", "hurt", "noDifference", "tooFew"].includes(found.dataset.verdict))"#;
    assert_eq!(app.value(is_judged).await?, json!(true));
    app.screenshot("projection-7-tuned").await;
    forms_are_compared(app).await?;
    app.value(r#"document.querySelector("[data-testid=tune-view] input[type=radio]").click()"#).await?;
    app.click("tune-use").await?;
    app.wait_for("the tuned projection is in force", r#"return !!document.querySelector("[data-testid=lab-chip]")"#)
        .await?;
    Ok(())
}

/// Linear and MLP, with a bias and without, at a size that fits a test.
async fn forms_are_compared(app: &App) -> Outcome {
    let choose = r#"[...document.querySelectorAll("[data-testid=tune-view] input[type=radio]")].at(1).click()"#;
    app.value(choose).await?;
    for (option, value) in [("seeds", 2), ("folds", 2), ("epochs", 4)] {
        let set = format!(
            r#"const field = document.querySelector("[data-testid=tune-{option}]"); field.value = "{value}"; field.dispatchEvent(new Event("input", {{ bubbles: true }})); field.dispatchEvent(new Event("change", {{ bubbles: true }}))"#
        );
        app.value(&set).await?;
    }
    app.click("ablation-start").await?;
    let has_rows = r#"return document.querySelectorAll("[data-testid=ablation-row]").length === 5"#;
    app.wait_for("every form has a row", has_rows).await?;
    app.screenshot("projection-7-ablation").await;
    Ok(())
}

/// Whether all photos are through, those outside the window too.
fn all_through() -> String {
    let photos = 7 + 2 * PER_CLASS;
    format!(
        r#"const foot = document.querySelector("[data-testid=progress]"); return foot.dataset.phase === "idle" && foot.textContent.includes("{photos} photos")"#
    )
}

/// The best label of every photo in the window, by name.
const BEST: &str = r#"return Object.fromEntries([...document.querySelectorAll("[data-testid=photo]")].map(photo => [photo.dataset.name, photo.querySelector("[data-testid=chip]")?.dataset.label ?? ""]))"#;

async fn the_export_gives_the_same_labels(app: &App, home: &Path) -> Outcome {
    app.click("tab-edits").await?;
    app.click("export-open").await?;
    let is_planned = r#"return document.querySelectorAll("[data-testid=export-plan]").length === 2"#;
    app.wait_for("it is said how each side is written", is_planned).await?;
    app.screenshot("projection-8-export").await;
    app.click("export-checkpoint").await?;
    let folder = home.join("tuned model");
    dialog::answer("Save", &folder)?;
    app.wait_for("the checkpoint is written", r#"return !!document.querySelector("[data-testid=exported]")"#).await?;
    let difference = app.value(&number("exported", "difference")).await?.as_f64().unwrap_or(f64::NAN);
    assert!(difference < 1e-4, "read back, embeddings differ by {difference}");
    app.press_escape().await?;
    app.click("screen-photos").await?;
    let edited = app.value(BEST).await?;

    app.use_model(&folder.display().to_string()).await?;
    let computes = r#"const model = document.querySelector("[data-testid=model]"); return model.dataset.state === "ready" && model.textContent.includes("tuned model")"#;
    app.wait_for("the exported model computes", computes).await?;
    app.wait_for("no edit is in force", r#"return !document.querySelector("[data-testid=lab-chip]")"#).await?;
    app.wait_for("everything is encoded anew", &all_through()).await?;
    assert_eq!(app.value(BEST).await?, edited, "labels of the exported model");
    app.screenshot("projection-9-reloaded").await;
    app.use_model(RANDOM_MODEL).await?;
    Ok(())
}
