//! Devices through the window: the software adapter that every test machine has is tested, chosen, computes photos, and is
//! still chosen after a restart.

use serde_json::json;

use crate::{Outcome, SAMPLES, app::App, app::RANDOM_MODEL, asset, drag};

const CHIP_ON_ADAPTER: &str = r#"const chip = document.querySelector("[data-testid=device]"); return chip?.dataset.device === "gpu:0" && chip.dataset.state === "computing""#;

fn row(id: &str) -> String {
    format!(r#"[data-testid=device-choice][data-id="{id}"]"#)
}

pub async fn story(app: &App) -> Outcome {
    let is_ready = r#"return document.querySelector("[data-testid=model]")?.dataset.state === "ready""#;
    app.wait_for("the model is ready", is_ready).await?;
    // The built-in model takes minutes in a debug build on an adapter that is a processor.
    app.use_model(RANDOM_MODEL).await?;
    let is_random = format!(
        r#"const chip = document.querySelector("[data-testid=model]"); return chip?.dataset.state === "ready" && chip.textContent.includes("{RANDOM_MODEL}")"#
    );
    app.wait_for("the small model computes", &is_random).await?;

    app.click("device").await?;
    let is_listed = format!(r#"return !!document.querySelector('{}')"#, row("gpu:0"));
    app.wait_for("the adapters are listed", &is_listed).await?;
    let automatic = app.value(r#"return document.querySelector("[data-testid=device]").dataset.device"#).await?;
    assert_eq!(automatic, json!("cpu"), "a software adapter is never chosen unasked");
    app.screenshot("devices-1-list").await;

    app.click_on(&format!("{} [data-testid=device-test]", row("gpu:0"))).await?;
    let is_tested = format!(
        r#"return document.querySelector('{} [data-testid=self-test]')?.dataset.passed === "true""#,
        row("gpu:0")
    );
    app.wait_for("the adapter has passed its self-test", &is_tested).await?;
    app.screenshot("devices-2-tested").await;

    app.click_on(&format!("{} input", row("gpu:0"))).await?;
    app.wait_for("the adapter computes", CHIP_ON_ADAPTER).await?;
    app.screenshot("devices-3-chosen").await;

    app.click("tab-speed").await?;
    app.wait_for("the settings of speed are there", r#"return !!document.querySelector("[data-testid=speed-exact]")"#)
        .await?;
    app.click("speed-exact").await?;
    app.screenshot("devices-4-speed").await;
    app.press_escape().await?;

    drag::onto_window(&[&asset("samples")])?;
    app.wait_for("all photos are labelled", &labelled()).await?;
    app.screenshot("devices-5-labelled").await;
    Ok(())
}

/// What was chosen is in force after the program was started again.
pub async fn all_is_kept(app: &App) -> Outcome {
    app.wait_for("the adapter computes again", CHIP_ON_ADAPTER).await?;
    app.wait_for("all photos are labelled again", &labelled()).await?;
    app.click("device").await?;
    app.click("tab-speed").await?;
    let is_exact = r#"return document.querySelector("[data-testid=speed-exact]")?.checked === true"#;
    app.wait_for("every pixel is still decoded", is_exact).await?;
    app.click("tab-devices").await?;
    app.click_on(&format!("{} input", row("auto"))).await?;
    let is_on_cpu = r#"return document.querySelector("[data-testid=device]")?.dataset.device === "cpu""#;
    app.wait_for("the CPU computes again", is_on_cpu).await?;
    app.screenshot("devices-6-automatic").await;
    Ok(())
}

fn labelled() -> String {
    format!(r#"return document.querySelectorAll("[data-testid=photo][data-state=labelled]").length === {SAMPLES}"#)
}
