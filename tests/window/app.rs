//! The app under WebKit's own driver.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use cliploupe_workbench::store::{Halt, Import, Store};
use fantoccini::{Client, ClientBuilder, Locator, key::Key};
use serde_json::{Map, Value, json};

use crate::PATIENCE;

pub struct App {
    client: Client,
    driver: Child,
    // Settings and library of this run; nobody's own are read or written.
    home: tempfile::TempDir,
}

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

impl App {
    pub async fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        install_random_model(&home.path().join("models"));
        Self::start_in(home).await
    }

    async fn start_in(home: tempfile::TempDir) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let models = home.path().join("models");
        let driver = Command::new("WebKitWebDriver")
            .arg(format!("--port={port}"))
            // Tauri lets itself be driven only if it is told so.
            .env("TAURI_AUTOMATION", "true")
            .env("TAURI_WEBVIEW_AUTOMATION", "true")
            .env("XDG_CONFIG_HOME", home.path())
            .env("XDG_DATA_HOME", home.path())
            .env("CLIPLOUPE_MODELS", &models)
            .env("LANG", "C.UTF-8")
            .env("NO_AT_BRIDGE", "1")
            .stdout(Stdio::null())
            .spawn()
            .expect("WebKitWebDriver starts: is webkit2gtk-driver installed?");
        let client = connect(port).await;
        Self { client, driver, home }
    }

    /// Ends the program and starts it again, with the same settings and library.
    pub async fn again(mut self) -> Self {
        let _ = self.client.close().await;
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        Self::start_in(self.home).await
    }

    pub async fn stop(mut self) {
        // The window is gone with the session, whatever the driver says of it.
        let _ = self.client.close().await;
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }

    /// What `script` returns in the page.
    pub async fn value(&self, script: &str) -> Result<Value> {
        Ok(self.client.execute(script, vec![]).await?)
    }

    /// Waits until `script` returns true.
    pub async fn wait_for(&self, what: &str, script: &str) -> Result<()> {
        let begin = Instant::now();
        while self.value(script).await? != json!(true) {
            if begin.elapsed() > PATIENCE {
                let page = self.value("return document.body.innerText").await?;
                return Err(
                    format!("waited in vain until {what}; the page says:\n{}", page.as_str().unwrap_or("")).into()
                );
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    fn by_id(id: &str) -> String {
        format!("[data-testid={id}]")
    }

    pub async fn click(&self, id: &str) -> Result<()> {
        self.click_on(&Self::by_id(id)).await
    }

    /// A click of the pointer, as a person's.
    pub async fn click_on(&self, selector: &str) -> Result<()> {
        Ok(self.client.find(Locator::Css(selector)).await?.click().await?)
    }

    pub async fn type_into(&self, id: &str, text: &str) -> Result<()> {
        let text = text.replace('\n', &char::from(Key::Enter).to_string());
        Ok(self.client.find(Locator::Css(&Self::by_id(id))).await?.send_keys(&text).await?)
    }

    pub async fn press_escape(&self) -> Result<()> {
        let element = self.client.active_element().await?;
        Ok(element.send_keys(&char::from(Key::Escape).to_string()).await?)
    }

    /// Presses a key, whatever has the focus.
    pub async fn press(&self, key: &str) -> Result<()> {
        let element = self.client.active_element().await?;
        Ok(element.send_keys(key).await?)
    }

    pub async fn press_space(&self) -> Result<()> {
        let element = self.client.active_element().await?;
        Ok(element.send_keys(" ").await?)
    }

    /// Switches to a model by name or path, as the Models screen does for installed ones.
    pub async fn use_model(&self, name: &str) -> Result<()> {
        let script = r#"window.__TAURI_INTERNALS__.invoke("choose_model", { name: arguments[0] })"#;
        self.client.execute(script, vec![json!(name)]).await?;
        Ok(())
    }

    pub async fn press_paste(&self) -> Result<()> {
        let element = self.client.active_element().await?;
        Ok(element.send_keys(&format!("{}v", char::from(Key::Control))).await?)
    }

    /// Keeps a picture of the page; one that cannot be taken fails nothing.
    pub async fn screenshot(&self, name: &str) {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("window");
        let _ = std::fs::create_dir_all(&folder);
        // What the page holds is painted a little later, and movements take 160 ms.
        tokio::time::sleep(Duration::from_millis(600)).await;
        if let Ok(png) = self.client.screenshot().await {
            let _ = std::fs::write(folder.join(format!("{name}.png")), png);
        }
    }
}

/// What the installed model is called.
pub const RANDOM_MODEL: &str = "random";

/// A tiny CLIP with random weights and CLIP's own vocabulary, installed as a person's import would.
fn install_random_model(models: &Path) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/clip/e2e-clip-f16");
    let import = Import { path, name: Some(RANDOM_MODEL.into()), ..Import::default() };
    Store::at(models).import(&import, &Halt::default(), &mut |_| ()).unwrap();
}

async fn connect(port: u16) -> Client {
    let options = json!({ "binary": env!("CARGO_BIN_EXE_cliploupe"), "args": [] });
    let capabilities = Map::from_iter([("webkitgtk:browserOptions".to_owned(), options)]);
    let begin = Instant::now();
    loop {
        let mut builder = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new());
        match builder.capabilities(capabilities.clone()).connect(&format!("http://127.0.0.1:{port}")).await {
            Ok(client) => return client,
            Err(error) if begin.elapsed() > PATIENCE => panic!("the driver did not start the app: {error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(300)).await,
        }
    }
}
