//! The app as a person meets it: a real window, a native drag from another program, read back through WebDriver.
//!
//! Linux only, under a display of its own (`cargo xtask test` makes one). Screenshots are kept in the target folder,
//! under `tmp/window/`.

#![cfg(target_os = "linux")]

mod app;
mod devices;
mod dialog;
mod drag;
mod library;
mod projection;

use std::{fs, path::Path, time::Duration};

use serde_json::json;

use crate::app::{App, RANDOM_MODEL};

const SAMPLES: usize = 7;

/// There is one display with one pointer and one clipboard.
static DISPLAY: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[tokio::test(flavor = "multi_thread")]
async fn a_projection_is_inspected_edited_tuned_exported_and_loaded_again() {
    let _display = DISPLAY.lock().await;
    let app = App::start().await;
    let story = projection::story(&app).await;
    app.screenshot("projection-last").await;
    app.stop().await;
    story.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn photos_dropped_on_the_window_are_labelled_and_follow_the_labels() {
    let _display = DISPLAY.lock().await;
    let app = App::start().await;
    let story = story(&app).await;
    app.screenshot("last").await;
    app.stop().await;
    story.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn photos_are_judged_written_to_sidecars_and_still_there_after_a_restart() {
    let _display = DISPLAY.lock().await;
    let photos = library::photos();
    let app = App::start().await;
    let story = library::story(&app, photos.path()).await;
    app.screenshot("library-last").await;
    let app = app.again().await;
    let outcome = match story {
        Ok(kept) => library::everything_is_still_there(&app, &kept, photos.path()).await,
        Err(error) => Err(error),
    };
    app.screenshot("library-last-again").await;
    app.stop().await;
    outcome.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adapter_is_tested_chosen_and_still_chosen_after_a_restart() {
    let _display = DISPLAY.lock().await;
    let app = App::start().await;
    let story = devices::story(&app).await;
    app.screenshot("devices-last").await;
    let app = app.again().await;
    let outcome = match story {
        Ok(()) => devices::all_is_kept(&app).await,
        Err(error) => Err(error),
    };
    app.screenshot("devices-last-again").await;
    app.stop().await;
    outcome.unwrap();
}

type Outcome = Result<(), Box<dyn std::error::Error>>;

async fn story(app: &App) -> Outcome {
    app.wait_for(
        "the model is ready",
        r#"return document.querySelector("[data-testid=model]")?.dataset.state === "ready""#,
    )
    .await?;
    app.wait_for(
        "the device is named",
        r#"return document.querySelector("[data-testid=device]").textContent.includes("CPU")"#,
    )
    .await?;
    app.screenshot("1-empty").await;

    let damaged = tempfile::tempdir()?;
    let photo = fs::read(asset("samples/rocket.jpg"))?;
    fs::write(damaged.path().join("cut off.jpg"), &photo[..photo.len() / 2])?;
    drag::onto_window(&[&asset("samples"), damaged.path()])?;
    app.wait_for("all photos are labelled", &format!("return {LABELLED} === {SAMPLES}")).await?;
    app.screenshot("2-labelled").await;

    assert_eq!(app.value(&best_of("chelsea.png")).await?, json!("cat"), "the cat");
    assert_eq!(app.value(&best_of("coffee.png")).await?, json!("drink"), "the coffee");
    the_damaged_file_is_listed(app).await?;
    a_new_label_is_scored(app).await?;
    every_label_of_a_photo_is_shown(app).await?;
    a_picture_and_a_path_are_pasted(app).await?;
    a_model_is_found_checked_and_switched_to(app).await?;
    the_window_speaks_chinese(app).await
}

/// How many photos have labels.
const LABELLED: &str = r#"document.querySelectorAll("[data-testid=photo][data-state=labelled]").length"#;

fn best_of(name: &str) -> String {
    format!(
        r#"return document.querySelector('[data-testid=photo][data-name="{name}"] [data-testid=chip]')?.dataset.label"#
    )
}

async fn the_damaged_file_is_listed(app: &App) -> Outcome {
    app.click("failures").await?;
    app.wait_for("the failure is listed", r#"return document.querySelectorAll("[data-testid=failure]").length === 1"#)
        .await?;
    let row = app.value(r#"const row = document.querySelector("[data-testid=failure]"); return [row.dataset.name, row.dataset.code]"#).await?;
    assert_eq!(row, json!(["cut off.jpg", "corrupt"]));
    app.screenshot("3-failures").await;
    app.press_escape().await?;
    Ok(())
}

async fn a_new_label_is_scored(app: &App) -> Outcome {
    app.click("labels-open").await?;
    app.type_into("label-input", "photographer\n").await?;
    let has_row = r#"return !!document.querySelector('[data-testid=label-row][data-label="photographer"]')"#;
    app.wait_for("the new label is in the editor", has_row).await?;
    let has_chip =
        r#"return !!document.querySelector('[data-testid=photo][data-name="camera.png"] [data-label="photographer"]')"#;
    app.wait_for("the man with a camera has the new label", has_chip).await?;
    app.screenshot("4-labels").await;
    app.press_escape().await?;
    Ok(())
}

async fn every_label_of_a_photo_is_shown(app: &App) -> Outcome {
    app.click_on(r#"[data-testid=photo][data-name="astronaut.png"]"#).await?;
    app.wait_for("every label has a row", r#"return document.querySelectorAll("[data-testid=score-row]").length > 20"#)
        .await?;
    let row = app.value(r#"const r = document.querySelector("[data-testid=score-row]").dataset; return [r.probability, r.cosine, r.logit].map(Number)"#).await?;
    let [probability, cosine, logit] = [0, 1, 2].map(|i| row[i].as_f64().unwrap_or(f64::NAN));
    assert!((0.0..=1.0).contains(&probability) && (-1.0..=1.0).contains(&cosine) && logit.is_finite(), "{row}");
    assert!(
        (1.0 / (1.0 + (-logit).exp()) - probability).abs() < 1e-3,
        "the sigmoid of the logit is the probability: {row}"
    );
    let loaded = r#"return [...document.querySelectorAll("[data-testid=photo] img")].every(img => img.complete && img.naturalWidth > 0)"#;
    app.wait_for("every thumbnail is there", loaded).await?;
    app.screenshot("5-selected").await;
    Ok(())
}

async fn a_picture_and_a_path_are_pasted(app: &App) -> Outcome {
    let photos = |count: usize| format!("return {LABELLED} === {count}");
    let mut clipboard = arboard::Clipboard::new()?;
    let bytes: Vec<u8> = (0..64 * 64).flat_map(|i: u32| [(i % 64 * 4) as u8, (i / 64 * 4) as u8, 90, 255]).collect();
    clipboard.set_image(arboard::ImageData { width: 64, height: 64, bytes: bytes.into() })?;
    app.press_paste().await?;
    app.wait_for("the pasted picture is labelled", &photos(SAMPLES + 1)).await?;

    let photo = asset("../tests/fixtures/embedded/photos/china.jpg").canonicalize()?;
    clipboard.set_text(photo.display().to_string())?;
    app.press_paste().await?;
    app.wait_for("the photo whose path was pasted is labelled", &photos(SAMPLES + 2)).await?;
    app.screenshot("6-pasted").await;
    Ok(())
}

async fn a_model_is_found_checked_and_switched_to(app: &App) -> Outcome {
    app.click("screen-models").await?;
    let has_rows = r#"return document.querySelectorAll("[data-testid=model-row]").length > 10"#;
    app.wait_for("the models are listed", has_rows).await?;
    app.screenshot("7-models").await;

    let row = |name: &str| format!(r#"[data-testid=model-row][data-name="{name}"]"#);
    app.click_on(&row(RANDOM_MODEL)).await?;
    app.click("model-verify").await?;
    let is_checked = r#"const checks = [...document.querySelectorAll("[data-testid=check]")]; return checks.some(c => c.dataset.id === "load" && c.dataset.outcome === "pass") && checks.some(c => c.dataset.id === "samples")"#;
    app.wait_for("the model is checked", is_checked).await?;
    app.screenshot("8-verified").await;
    app.press_escape().await?;

    app.click("model-use").await?;
    let computes = format!(r#"return document.querySelector('{}')?.dataset.active === "true""#, row(RANDOM_MODEL));
    app.wait_for("the model computes", &computes).await?;
    app.screenshot("9-switched").await;
    app.click("screen-photos").await?;
    let follow = format!(
        r#"return document.querySelector("[data-testid=model]").textContent.includes("{RANDOM_MODEL}") && {LABELLED} === {}"#,
        SAMPLES + 2
    );
    app.wait_for("the photos have the new model's labels", &follow).await?;
    let idle = r#"return document.querySelector("[data-testid=progress]")?.dataset.phase !== "working""#;
    app.wait_for("everything is encoded anew", idle).await?;
    app.click_on(r#"[data-testid=photo][data-name="astronaut.png"]"#).await?;
    // This model scores by softmax, so the rows of one photo sum to 1.
    let sums_to_one = r#"const rows = [...document.querySelectorAll("[data-testid=score-row]")]; const sum = rows.reduce((sum, row) => sum + Number(row.dataset.probability), 0); return rows.length > 20 && Math.abs(sum - 1) < 1e-3"#;
    app.wait_for("every label has a share", sums_to_one).await?;
    app.screenshot("10-relabelled").await;
    Ok(())
}

async fn the_window_speaks_chinese(app: &App) -> Outcome {
    app.click("settings-open").await?;
    let choose = r#"document.querySelector("input[type=radio][value=zh-CN]").click()"#;
    app.value(choose).await?;
    app.press_escape().await?;
    let is_chinese =
        r#"return document.documentElement.lang.startsWith("zh") && document.body.innerText.includes("照片")"#;
    app.wait_for("the window speaks Chinese", is_chinese).await?;
    app.screenshot("11-chinese").await;
    Ok(())
}

fn asset(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets").join(path)
}

/// How long anything may take: a debug build on a busy machine is slow, and a hang is a failure all the same.
const PATIENCE: Duration = Duration::from_secs(120);
