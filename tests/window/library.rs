//! A library through the window: photos dropped, suggestions judged by keyboard, sidecars written, the program started
//! again, and everything still there.

use std::{fs, path::Path};

use crate::{Outcome, app::App, asset, drag};

const PHOTOS: usize = 11;
/// Suggestions that are judged.
const JUDGED: usize = 10;

/// What is to be there after the program was started again.
pub struct Kept {
    /// How many tags there are on photos.
    tags: u64,
    /// How many sidecars were written.
    sidecars: usize,
}

/// Copies the sample photos, so that sidecars are written beside copies.
pub fn photos() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let entries =
        ["samples", "../tests/fixtures/embedded/photos"].map(|from| fs::read_dir(asset(from)).unwrap().flatten());
    for entry in entries.into_iter().flatten().filter(|entry| entry.path().is_file()) {
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    folder
}

pub async fn story(app: &App, photos: &Path) -> Result<Kept, Box<dyn std::error::Error>> {
    app.wait_for(
        "the model is ready",
        r#"return document.querySelector("[data-testid=model]")?.dataset.state === "ready""#,
    )
    .await?;
    drag::onto_window(&[photos])?;
    app.wait_for("all photos are labelled", &labelled(PHOTOS)).await?;
    app.screenshot("library-1-dropped").await;
    search(app).await?;
    judge(app).await?;
    let tags = tags(app).await?;
    let sidecars = write_sidecars(app, photos).await?;
    Ok(Kept { tags, sidecars })
}

fn labelled(count: usize) -> String {
    format!(r#"return document.querySelectorAll("[data-testid=photo][data-state=labelled]").length === {count}"#)
}

/// Words find the photo that shows them; clearing them brings the others back.
async fn search(app: &App) -> Outcome {
    app.type_into("search-input", "a cup of coffee\n").await?;
    let first = r#"return document.querySelector("[data-testid=photo]")?.dataset.name === "coffee.png" && !!document.querySelector("[data-testid=search-strip]")"#;
    app.wait_for("the coffee is found first", first).await?;
    app.screenshot("library-2-search").await;
    app.press_escape().await?;
    app.value(r#"document.activeElement.blur(); document.querySelector("[data-testid=filter-clear]")?.click()"#)
        .await?;
    app.wait_for("all photos are back", &labelled(PHOTOS)).await
}

/// Ten suggestions by keyboard, two of them taken back.
async fn judge(app: &App) -> Outcome {
    app.click("screen-review").await?;
    app.wait_for("suggesting is offered", r#"return !!document.querySelector("[data-testid=suggest]")"#).await?;
    app.click("suggest").await?;
    app.wait_for("a suggestion waits", r#"return !!document.querySelector("[data-testid=review-label]")"#).await?;
    app.screenshot("library-3-review").await;
    for turn in 0..JUDGED {
        let decided = format!("return {DECIDED} === {turn}");
        app.wait_for("the verdict before is counted", &decided).await?;
        app.press(if turn % 3 == 2 { "r" } else { "a" }).await?;
    }
    app.wait_for("ten verdicts are counted", &format!("return {DECIDED} === {JUDGED}")).await?;
    app.press("u").await?;
    app.wait_for("one is taken back", &format!("return {DECIDED} === {}", JUDGED - 1)).await?;
    app.press("u").await?;
    app.wait_for("two are taken back", &format!("return {DECIDED} === {}", JUDGED - 2)).await?;
    app.screenshot("library-4-judged").await;
    Ok(())
}

/// How many verdicts the shell has kept.
const DECIDED: &str = r#"Number(document.querySelector("[data-testid=review-progress]")?.dataset.decided ?? -1)"#;

/// How many tags the library has, as its screen says.
async fn tags(app: &App) -> Result<u64, Box<dyn std::error::Error>> {
    app.click("screen-shelf").await?;
    app.wait_for("the library is there", r#"return !!document.querySelector("[data-testid=library-facts]")"#).await?;
    app.screenshot("library-5-facts").await;
    let tags =
        app.value(r#"return Number(document.querySelector("[data-testid=library-facts]").dataset.tags)"#).await?;
    tags.as_u64().ok_or_else(|| format!("the number of tags is {tags}").into())
}

async fn write_sidecars(app: &App, photos: &Path) -> Result<usize, Box<dyn std::error::Error>> {
    app.click("tab-sidecars").await?;
    app.wait_for("a dry run is offered", r#"return !!document.querySelector("[data-testid=sidecars-plan]")"#).await?;
    app.click("sidecars-plan").await?;
    let planned = r#"return document.querySelectorAll("[data-testid=sidecar-row]").length > 0"#;
    app.wait_for("the dry run lists sidecars", planned).await?;
    assert!(sidecars(photos).is_empty(), "a dry run writes nothing");
    app.screenshot("library-6-dry-run").await;
    app.click("sidecars-write").await?;
    app.wait_for("it is asked", r#"return !!document.querySelector("[data-testid=sidecars-confirm]")"#).await?;
    app.click("sidecars-confirm").await?;
    let written = r#"return document.querySelector("[data-testid=sidecars-result]")?.dataset.written === "true""#;
    app.wait_for("sidecars are written", written).await?;
    app.screenshot("library-7-written").await;
    let written = sidecars(photos);
    assert!(!written.is_empty(), "sidecars lie beside the photos");
    for path in &written {
        assert!(fs::read_to_string(path)?.contains("dc:subject"), "{path:?} has keywords");
    }
    Ok(written.len())
}

fn sidecars(photos: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(photos).unwrap().flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "xmp")).collect()
}

/// After another start of the program.
pub async fn everything_is_still_there(app: &App, kept: &Kept, photos: &Path) -> Outcome {
    app.wait_for("the photos are there without being added", &labelled(PHOTOS)).await?;
    app.screenshot("library-8-again").await;
    assert_eq!(tags(app).await?, kept.tags);
    assert_eq!(sidecars(photos).len(), kept.sidecars);
    app.click("screen-review").await?;
    app.wait_for("the verdicts are there", &format!("return {DECIDED} === {}", JUDGED - 2)).await?;
    app.click("tab-thresholds").await?;
    app.wait_for("labels are listed", r#"return document.querySelectorAll("[data-testid=threshold-row]").length > 3"#)
        .await?;
    app.screenshot("library-9-thresholds").await;
    // A step of the time before can be taken back.
    app.click("tab-queue").await?;
    app.press("u").await?;
    app.wait_for("a verdict of before is taken back", &format!("return {DECIDED} === {}", JUDGED - 3)).await?;
    app.click("tab-evaluation").await?;
    app.wait_for("evaluating is offered", r#"return !!document.querySelector("[data-testid=evaluate]")"#).await?;
    app.click("evaluate").await?;
    app.wait_for("it is judged", r#"return !!document.querySelector("[data-testid=evaluation-table]")"#).await?;
    app.screenshot("library-10-evaluation").await;
    app.click("screen-shelf").await?;
    app.click("tab-near").await?;
    app.screenshot("library-11-near").await;
    app.click("tab-outliers").await?;
    app.screenshot("library-12-outliers").await;
    app.click("tab-health").await?;
    app.wait_for("checking is offered", r#"return !!document.querySelector("[data-testid=check]")"#).await?;
    app.click("check").await?;
    app.wait_for("it is checked", r#"return !!document.querySelector("[data-testid=check-result]")"#).await?;
    app.screenshot("library-13-health").await;
    Ok(())
}
