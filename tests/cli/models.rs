//! `models`: from a hub on this machine into a models folder, and from there by name.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
    time::Duration,
};

use assert_cmd::Command;

use crate::{
    cli, error_of, json, model, sample,
    server::{Do, Server},
};

const REPO: &str = "acme/tiny";
const WEIGHTS: &str = "open_clip_model.safetensors";

fn path_of(file: &str) -> String {
    format!("/{REPO}/resolve/main/{file}")
}

/// A hub with a tiny model that reads words, and a folder of models.
struct Setup {
    server: Server,
    folder: tempfile::TempDir,
}

impl Setup {
    fn new() -> Self {
        let server = Server::start();
        for name in [WEIGHTS, "open_clip_config.json"] {
            server.serve(&path_of(name), &fs::read(Path::new(&model("e2e-clip-f16")).join(name)).unwrap());
        }
        Self { server, folder: tempfile::tempdir().unwrap() }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = cli();
        command.env("CLIPLOUPE_MODELS", self.models()).env("HF_ENDPOINT", self.server.url()).env_remove("HF_TOKEN");
        // The settings of whoever runs the tests are not theirs.
        command.env("HOME", self.folder.path()).env("XDG_CONFIG_HOME", self.folder.path().join("config"));
        command.args(args).timeout(Duration::from_secs(120));
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn models(&self) -> PathBuf {
        self.folder.path().join("models")
    }

    fn pulled() -> Self {
        let setup = Self::new();
        let output = setup.run(&["models", "pull", "hf-hub:acme/tiny", "--quiet"]);
        assert_eq!(output.status.code(), Some(0), "{}", error_of(&output));
        setup
    }
}

#[test]
fn a_pulled_model_is_listed_used_by_name_and_removed() {
    let setup = Setup::new();
    let output = setup.run(&["models", "pull", "hf-hub:acme/tiny", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", error_of(&output));
    let installed = json(&output)["installed"].clone();
    assert_eq!((installed["name"].as_str(), installed["inPlace"].as_bool()), (Some(REPO), Some(false)));
    // Once more is no work and no error.
    assert_eq!(json(&setup.run(&["models", "pull", "hf-hub:acme/tiny", "--json"]))["installed"], installed);
    assert_eq!(setup.server.gets(&path_of(WEIGHTS)).len(), 1);

    let list = json(&setup.run(&["models", "list", "--installed", "--json"]));
    let names: Vec<_> = list["models"].as_array().unwrap().iter().map(|m| m["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["embedded", REPO]);
    assert_eq!(list["hub"]["endpoint"], setup.server.url());

    let output = setup.run(&["label", &sample("chelsea.png"), "--model", REPO, "--labels", "cat,dog", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", error_of(&output));
    assert_eq!(json(&output)["model"], REPO);
    assert_eq!(setup.run(&["tokenize", "a cat", "--model", REPO]).status.code(), Some(0));

    let refused = setup.run(&["models", "remove", REPO]);
    assert_eq!(refused.status.code(), Some(2), "nobody was asked");
    let output = setup.run(&["models", "remove", REPO, "--yes", "--json"]);
    assert_eq!((output.status.code(), &json(&output)["removed"]), (Some(0), &REPO.into()));
    assert!(!setup.models().join("acme-tiny").exists());
    let output = setup.run(&["label", &sample("chelsea.png"), "--model", REPO]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_model_of_the_catalogue_that_is_not_here_says_how_to_get_it() {
    let setup = Setup::new();
    let output = setup.run(&["embed", "--text", "a cat", "--model", "ViT-B-32/laion2b_s34b_b79k"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(error_of(&output).contains("models pull ViT-B-32/laion2b_s34b_b79k"), "{}", error_of(&output));
}

#[test]
fn the_list_is_searched_by_words() {
    let setup = Setup::new();
    let list = json(&setup.run(&["models", "list", "ViT-B-32", "laion2b", "--json"]));
    let names: Vec<_> = list["models"].as_array().unwrap().iter().map(|m| m["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"ViT-B-32/laion2b_s34b_b79k") && names.len() < 10, "{names:?}");
    let text = setup.run(&["models", "list", "default"]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("recommended: default") && text.lines().count() == 1, "{text}");
}

#[test]
fn a_failed_pull_says_why_and_the_next_one_goes_on() {
    let setup = Setup::new();
    setup.server.next(&path_of(WEIGHTS), &[Do::Drop(500_000)]);
    setup.server.always(&path_of(WEIGHTS), Do::Status(404, vec![]));
    let output = setup.run(&["models", "pull", "hf-hub:acme/tiny"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(error_of(&output).starts_with("error: ") && error_of(&output).contains("404"), "{}", error_of(&output));
    let list = json(&setup.run(&["models", "list", "--installed", "--json"]));
    assert_eq!(list["models"][1]["state"], "paused");
    setup.server.always(&path_of(WEIGHTS), Do::Well);
    assert_eq!(setup.run(&["models", "pull", "hf-hub:acme/tiny"]).status.code(), Some(0));
    assert_eq!(setup.server.gets(&path_of(WEIGHTS)).last().unwrap().header("range"), Some("bytes=500000-"));
}

/// Ctrl-C ends the program as this signal does, which is not ignored where tests run in the background.
#[cfg(unix)]
#[test]
fn an_interrupted_pull_leaves_a_part_that_is_gone_on_with() {
    let setup = Setup::new();
    setup.server.next(&path_of(WEIGHTS), &[Do::Stall(700_000)]);
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_cliploupe-cli"))
        .args(["models", "pull", "hf-hub:acme/tiny"])
        .env("CLIPLOUPE_MODELS", setup.models())
        .env("HF_ENDPOINT", setup.server.url())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let part = setup.models().join(".incoming/acme-tiny/open_clip_model.safetensors.part");
    let begin = std::time::Instant::now();
    while fs::metadata(&part).map_or(0, |data| data.len()) < 700_000 {
        assert!(begin.elapsed() < Duration::from_secs(60), "nothing arrived");
        std::thread::sleep(Duration::from_millis(10));
    }
    let status = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(status.success() && !child.wait().unwrap().success());
    assert!(!setup.models().join("acme-tiny").exists());
    assert_eq!(setup.run(&["models", "pull", "hf-hub:acme/tiny"]).status.code(), Some(0));
    assert_eq!(setup.server.gets(&path_of(WEIGHTS)).last().unwrap().header("range"), Some("bytes=700000-"));
    // An unfinished one can be dropped too.
    setup.run(&["models", "remove", REPO, "--yes"]);
    setup.server.always(&path_of(WEIGHTS), Do::Status(404, vec![]));
    assert_eq!(setup.run(&["models", "pull", "hf-hub:acme/tiny"]).status.code(), Some(1));
    assert_eq!(setup.run(&["models", "remove", REPO, "--yes"]).status.code(), Some(0));
    assert!(!setup.models().join(".incoming/acme-tiny").exists());
}

#[test]
fn a_checkpoint_is_imported_and_verified() {
    let setup = Setup::new();
    let output = setup.run(&["models", "import", &model("clip-vit"), "--in-place", "--name", "mine/vit", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", error_of(&output));
    assert_eq!(json(&output)["installed"]["inPlace"], true);
    let report = setup.run(&["models", "verify", "mine/vit", "--device", "cpu", "--json"]);
    // It has no tokenizer, so it cannot do what it is for.
    assert_eq!(report.status.code(), Some(1));
    let report = json(&report);
    let outcome = |id: &str| {
        let checks = report["checks"].as_array().unwrap();
        checks.iter().find(|check| check["id"] == id).unwrap()["outcome"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        (outcome("files"), outcome("load"), outcome("tokenizer")),
        ("pass".into(), "pass".into(), "fail".into())
    );
    let clash = setup.run(&["models", "import", &model("clip-vit"), "--name", "mine/vit"]);
    assert_eq!(clash.status.code(), Some(1));
    assert!(error_of(&clash).contains("already"));
}

#[test]
fn the_embedded_model_is_as_it_should_be() {
    let setup = Setup::new();
    let output = setup.run(&["models", "verify", "embedded", "--device", "cpu"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn bad_names_and_addresses_are_said() {
    let setup = Setup::new();
    let unknown = setup.run(&["models", "pull", "no-such-model"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(error_of(&unknown).contains("models list"), "{}", error_of(&unknown));
    let mut command = setup.command(&["models", "pull", "hf-hub:acme/tiny"]);
    let output = command.env("HF_ENDPOINT", "nowhere").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(error_of(&output).contains("not the address of a hub"), "{}", error_of(&output));
    assert_eq!(setup.run(&["models"]).status.code(), Some(2));
}

/// A hub that can only be reached through a proxy: its name is none that this machine could look up.
#[test]
fn the_proxy_of_the_environment_is_asked() {
    let setup = Setup::new();
    let proxy = crate::server::tunnel_to(&setup.server);
    let mut command = setup.command(&["models", "pull", "hf-hub:acme/tiny", "--quiet"]);
    command
        .env("HF_ENDPOINT", "http://hub.invalid")
        .env("HTTP_PROXY", proxy)
        .env_remove("NO_PROXY")
        .env_remove("no_proxy");
    let output = command.env_remove("http_proxy").env_remove("REQUEST_METHOD").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", error_of(&output));
    assert_eq!(setup.server.gets(&path_of(WEIGHTS))[0].header("host"), Some("hub.invalid"));
}

#[test]
fn a_model_pulled_is_checked_before_it_is_installed() {
    let setup = Setup::pulled();
    let list = json(&setup.run(&["models", "list", "--installed", "--json"]));
    let files = list["models"][1]["installed"]["files"].as_array().unwrap();
    assert!(files.iter().all(|file| file["sha256"].as_str().unwrap().len() == 64));
}
