//! Checkpoints from a server that drops, lies, redirects and refuses, into a models folder that never shows half of one.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use cliploupe_workbench::{
    messages::{Problem, ProblemCode, Transfer, TransferState},
    store::{Halt, Hub, Outcome, Patience, Place, Recipe, RemoteFile, Stop, Store, sha256},
};

use crate::{
    root,
    server::{Do, Server},
};

pub const REPO: &str = "acme/tiny";
pub const WEIGHTS: &str = "open_clip_model.safetensors";
pub const CONFIG: &str = "open_clip_config.json";

pub fn fixture(name: &str) -> Vec<u8> {
    fs::read(root("tests/fixtures/clip/clip-vit").join(name)).unwrap()
}

pub fn path_of(file: &str) -> String {
    format!("/{REPO}/resolve/main/{file}")
}

/// A hub with a tiny checkpoint.
pub fn hub_server() -> Server {
    let server = Server::start();
    for name in [WEIGHTS, CONFIG] {
        server.serve(&path_of(name), &fixture(name));
    }
    server
}

/// Waits that are over before a test is.
pub fn hasty() -> Patience {
    Patience {
        connect: Duration::from_secs(5),
        silence: Duration::from_secs(2),
        tries: 4,
        first_wait: Duration::from_millis(1),
        longest_wait: Duration::from_millis(50),
    }
}

struct Bench {
    server: Server,
    folder: tempfile::TempDir,
    store: Store,
    recipe: Recipe,
    said: Vec<Transfer>,
}

impl Bench {
    fn new() -> Self {
        let server = hub_server();
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path().join("models"));
        let recipe = Recipe::of_repo(REPO, &Hub::new(Some(&server.url())));
        Self { server, folder, store, recipe, said: Vec::new() }
    }

    fn pull(&mut self) -> Result<Outcome, Problem> {
        self.pull_until(&Halt::default(), |_, _| {})
    }

    fn pull_until(&mut self, halt: &Halt, look: impl Fn(&Transfer, &Store)) -> Result<Outcome, Problem> {
        let hub = Hub::new(Some(&self.server.url()));
        let (store, said) = (self.store.clone(), &mut self.said);
        store.pull(&self.recipe, &hub, &hasty(), halt, &mut |now| {
            look(now, &store);
            said.push(now.clone());
        })
    }

    /// Pulls, and stops when so many bytes of the weights are on the disk, while the server is silent.
    fn pull_to(&mut self, bytes: usize, stop: Stop) {
        self.server.next(&path_of(WEIGHTS), &[Do::Stall(bytes)]);
        let halt = Halt::default();
        let (part, other) = (self.incoming("open_clip_model.safetensors.part"), halt.clone());
        let stopping = std::thread::spawn(move || {
            while fs::metadata(&part).map_or(0, |data| data.len()) < bytes as u64 {
                std::thread::sleep(Duration::from_millis(1));
            }
            other.ask(stop);
        });
        let outcome = self.pull_until(&halt, |_, _| {});
        stopping.join().unwrap();
        match stop {
            Stop::Pause => assert!(matches!(outcome, Ok(Outcome::Paused)), "{outcome:?}"),
            Stop::Cancel => assert!(matches!(outcome, Ok(Outcome::Cancelled)), "{outcome:?}"),
        }
    }

    /// Pulls, and says which problem there was.
    fn code(&mut self) -> ProblemCode {
        self.pull().unwrap_err().code
    }

    /// Pulls, and checks that what is installed is what was served.
    fn installs(&mut self) {
        let outcome = self.pull().unwrap();
        let Outcome::Installed(installed) = outcome else { panic!("{outcome:?}") };
        for file in &installed.record.files {
            let bytes = fs::read(installed.folder.join(&file.name)).unwrap();
            assert_eq!((bytes.len() as u64, sha256(&bytes)), (file.bytes, file.sha256.clone()), "{}", file.name);
            if [WEIGHTS, CONFIG].contains(&file.name.as_str()) {
                assert!(bytes == fixture(&file.name), "{} is not what was served", file.name);
            }
        }
        assert!(names_in(&self.store.root().join(".incoming")).is_empty(), "nothing is left over");
        assert_eq!(self.said.last().unwrap().state, TransferState::Done);
    }

    fn visible(&self) -> Vec<String> {
        names_in(self.store.root()).into_iter().filter(|name| !name.starts_with('.')).collect()
    }

    fn incoming(&self, file: &str) -> PathBuf {
        self.store.root().join(".incoming/acme-tiny").join(file)
    }

    /// The ranges that were asked for of the weights, in order.
    fn ranges(&self) -> Vec<Option<String>> {
        let gets = self.server.gets(&path_of(WEIGHTS));
        gets.iter().map(|asked| asked.header("range").map(str::to_owned)).collect()
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn from(byte: usize) -> Option<String> {
    Some(format!("bytes={byte}-"))
}

#[test]
fn a_model_becomes_visible_only_when_it_is_whole() {
    let mut bench = Bench::new();
    bench.server.next(&path_of(WEIGHTS), &[Do::Slow(100_000, Duration::from_millis(30))]);
    let outcome = bench.pull_until(&Halt::default(), |now, store| {
        let visible = names_in(store.root()).iter().any(|name| !name.starts_with('.'));
        assert_eq!(visible, now.state == TransferState::Done, "{now:?}");
    });
    assert!(matches!(outcome, Ok(Outcome::Installed(_))));
    assert_eq!(bench.visible(), ["acme-tiny"]);
    let total = (fixture(WEIGHTS).len() + fixture(CONFIG).len()) as u64;
    let said = &bench.said;
    assert!(said.iter().any(|now| now.state == TransferState::Receiving && (1..total).contains(&now.received)));
    assert!(said.iter().any(|now| now.state == TransferState::Checking));
    assert_eq!(said.last().map(|now| (now.received, now.total)), Some((total, Some(total))));
    let installed = bench.store.find(REPO).unwrap();
    assert_eq!((installed.record.weights.as_str(), installed.record.origin.as_str()), (WEIGHTS, REPO));
    assert_eq!(bench.store.list().unwrap().0, [installed]);
}

#[test]
fn a_second_download_of_the_same_model_is_refused() {
    let mut bench = Bench::new();
    bench.installs();
    assert_eq!(bench.code(), ProblemCode::ModelExists);
}

#[test]
fn a_broken_connection_is_gone_on_with_from_the_next_byte() {
    let mut bench = Bench::new();
    bench.server.next(&path_of(WEIGHTS), &[Do::Drop(100_000), Do::Drop(200_000), Do::Well]);
    bench.installs();
    assert_eq!(bench.ranges(), [None, from(100_000), from(300_000)]);
    let etag = format!("\"{}\"", &sha256(&fixture(WEIGHTS))[..32]);
    assert_eq!(bench.server.gets(&path_of(WEIGHTS))[1].header("if-range"), Some(etag.as_str()));
    assert!(bench.said.iter().any(|now| now.state == TransferState::Retrying && now.problem.is_some()));
}

#[test]
fn a_silent_server_is_left_and_asked_again() {
    let mut bench = Bench::new();
    bench.server.next(&path_of(WEIGHTS), &[Do::Stall(50_000)]);
    bench.installs();
    assert_eq!(bench.ranges(), [None, from(50_000)]);
}

#[test]
fn a_server_that_never_gives_more_is_given_up_and_what_has_arrived_is_kept() {
    let mut bench = Bench::new();
    bench.server.next(&path_of(WEIGHTS), &[Do::Drop(100_000)]);
    bench.server.always(&path_of(WEIGHTS), Do::Drop(0));
    assert_eq!(bench.code(), ProblemCode::Network);
    assert_eq!(fs::metadata(bench.incoming("open_clip_model.safetensors.part")).unwrap().len(), 100_000);
    assert_eq!(bench.store.unfinished().len(), 1);
    bench.server.always(&path_of(WEIGHTS), Do::Well);
    bench.installs();
    assert_eq!(bench.ranges().last().unwrap(), &from(100_000));
}

#[test]
fn a_server_that_is_not_there_is_a_problem_of_the_network() {
    let mut bench = Bench::new();
    bench.server = Server::start();
    let gone = bench.server.url();
    bench.server = Server::start();
    let hub = Hub::new(Some(&gone));
    let problem = bench.store.pull(&bench.recipe, &hub, &hasty(), &Halt::default(), &mut |_| {}).unwrap_err();
    assert_eq!(
        (problem.code, problem.params["host"].as_str()),
        (ProblemCode::Network, gone.trim_start_matches("http://"))
    );
}

#[test]
fn a_server_that_announces_more_than_it_has_is_not_believed() {
    let mut bench = Bench::new();
    let more = fixture(WEIGHTS).len() + 100;
    bench.server.always(&path_of(WEIGHTS), Do::Announce(more));
    assert!(matches!(bench.code(), ProblemCode::Network | ProblemCode::Download));
    assert!(bench.visible().is_empty());
}

#[test]
fn a_server_that_announces_less_than_the_hub_says_is_not_believed() {
    let mut bench = Bench::new();
    let store = Server::start();
    let bytes = fixture(WEIGHTS);
    store.serve("/blob", &bytes);
    store.always("/blob", Do::Announce(bytes.len() - 1));
    bench.server.redirect(&path_of(WEIGHTS), &bytes, &format!("{}/blob", store.url()), true);
    let problem = bench.pull().unwrap_err();
    assert_eq!(problem.code, ProblemCode::Download);
    assert!(problem.message.contains(&format!("{} are sent", bytes.len() - 1)), "{}", problem.message);
    assert!(bench.visible().is_empty());
}

#[test]
fn a_file_that_is_not_what_was_published_is_removed() {
    let mut bench = Bench::new();
    let store = Server::start();
    store.serve("/blob", &fixture(WEIGHTS));
    store.always("/blob", Do::Damage);
    bench.server.redirect(&path_of(WEIGHTS), &fixture(WEIGHTS), &format!("{}/blob", store.url()), true);
    let problem = bench.pull().unwrap_err();
    assert_eq!(problem.code, ProblemCode::Checksum);
    assert_eq!(problem.params["expected"], sha256(&fixture(WEIGHTS)));
    assert_eq!(fs::metadata(bench.incoming("open_clip_model.safetensors.part")).unwrap().len(), 0);
    assert!(bench.visible().is_empty());
    // The hash is not asked for twice: the next whole file is good.
    store.always("/blob", Do::Well);
    bench.installs();
}

#[test]
fn the_beginning_of_a_published_hash_is_enough_to_refuse() {
    let mut bench = Bench::new();
    let place =
        |sha256: &str| Place::url(&format!("{}{}", bench.server.url(), path_of(WEIGHTS)), WEIGHTS, Some(sha256));
    let right = place(&sha256(&fixture(WEIGHTS))[..8].to_ascii_uppercase());
    let wrong = place("00000000");
    let weights = |place| RemoteFile { places: vec![place], optional: false, bytes: None, is_weights: true };
    *bench.recipe.files.last_mut().unwrap() = weights(wrong);
    assert_eq!(bench.code(), ProblemCode::Checksum);
    *bench.recipe.files.last_mut().unwrap() = weights(right);
    bench.installs();
}

#[test]
fn the_token_goes_to_the_hub_and_not_to_where_it_redirects() {
    let store = Server::start();
    let bytes = fixture(WEIGHTS);
    store.serve("/blob", &bytes);
    let server = hub_server();
    server.redirect(&path_of(WEIGHTS), &bytes, &format!("{}/blob?signature=x", store.url()), true);
    let folder = tempfile::tempdir().unwrap();
    // The token is read from the environment, which only a process of its own may change: see the command line's tests.
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["downloads::pulled_with_a_token", "--exact", "--ignored", "--nocapture"])
        .env("HF_TOKEN", "secret")
        .env("CLIPLOUPE_TEST_HUB", server.url())
        .env("CLIPLOUPE_TEST_FOLDER", folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(server.asked().iter().all(|asked| asked.header("authorization") == Some("Bearer secret")));
    assert!(!store.asked().is_empty() && store.asked().iter().all(|asked| asked.header("authorization").is_none()));
}

#[test]
#[ignore = "runs in a process of its own, with a token"]
fn pulled_with_a_token() {
    let (Ok(hub), Some(folder)) = (std::env::var("CLIPLOUPE_TEST_HUB"), std::env::var_os("CLIPLOUPE_TEST_FOLDER"))
    else {
        return;
    };
    let hub = Hub::new(Some(&hub));
    let outcome = Store::at(folder).pull(&Recipe::of_repo(REPO, &hub), &hub, &hasty(), &Halt::default(), &mut |_| {});
    assert!(matches!(outcome, Ok(Outcome::Installed(_))), "{outcome:?}");
}

#[test]
fn redirects_that_lead_in_a_circle_end() {
    let mut bench = Bench::new();
    let here = format!("{}{}", bench.server.url(), path_of(WEIGHTS));
    bench.server.redirect(&path_of(WEIGHTS), &[], &here, false);
    assert_eq!(bench.code(), ProblemCode::Download);
}

#[test]
fn the_first_name_that_the_server_has_is_taken() {
    let mut bench = Bench::new();
    let names = ["open_clip_pytorch_model.safetensors", WEIGHTS];
    let places = names.map(|name| Place::hub(REPO, name, WEIGHTS)).to_vec();
    *bench.recipe.files.last_mut().unwrap() = RemoteFile { places, optional: false, bytes: None, is_weights: true };
    bench.installs();
    let heads: Vec<_> = bench.server.asked().into_iter().filter(|asked| asked.method == "HEAD").collect();
    assert!(heads.iter().any(|asked| asked.path.ends_with(names[0])));
}

#[test]
fn a_repository_without_weights_names_the_files_that_were_asked_for() {
    let mut bench = Bench::new();
    bench.server = Server::start();
    bench.server.serve(&path_of(CONFIG), &fixture(CONFIG));
    let problem = bench.pull().unwrap_err();
    assert_eq!(problem.code, ProblemCode::RemoteMissing);
    assert!(problem.params["file"].starts_with("open_clip_model.safetensors, "), "{problem:?}");
}

#[test]
fn a_gated_model_says_what_to_accept_and_where() {
    for status in [401, 403] {
        let mut bench = Bench::new();
        bench.server.always(&path_of(WEIGHTS), Do::Status(status, vec![("X-Error-Code", "GatedRepo".into())]));
        let problem = bench.pull().unwrap_err();
        assert_eq!(problem.code, ProblemCode::AccessDenied);
        assert_eq!(problem.params["page"], format!("{}/{REPO}", bench.server.url()));
        assert!(problem.message.contains("HF_TOKEN"));
        assert_eq!(bench.server.gets(&path_of(WEIGHTS)).len(), 1, "asking again changes nothing");
    }
}

#[test]
fn a_server_that_is_busy_is_asked_again_when_it_says() {
    let mut bench = Bench::new();
    // More patience than the test's own waits have, and less than what the server asks for in the second answer.
    let busy = |secs: &str| Do::Status(429, vec![("Retry-After", secs.to_owned())]);
    bench.server.next(&path_of(WEIGHTS), &[busy("0"), busy("86400"), busy("Wed, 21 Oct 2026 07:28:00 GMT"), Do::Well]);
    let begin = Instant::now();
    bench.installs();
    assert!(begin.elapsed() < Duration::from_secs(20));
    assert_eq!(bench.server.gets(&path_of(WEIGHTS)).len(), 4);
}

#[test]
fn a_server_in_trouble_is_asked_again_and_then_left() {
    let mut bench = Bench::new();
    bench.server.next(&path_of(WEIGHTS), &[Do::Status(500, vec![]), Do::Status(503, vec![]), Do::Well]);
    bench.installs();

    let mut bench = Bench::new();
    bench.server.always(&path_of(WEIGHTS), Do::Status(502, vec![]));
    assert_eq!(bench.code(), ProblemCode::Download);
    assert_eq!(bench.server.gets(&path_of(WEIGHTS)).len(), 4);
}

#[test]
fn a_server_that_knows_no_ranges_sends_the_whole_file_again() {
    let mut bench = Bench::new();
    bench.server.next(&path_of(WEIGHTS), &[Do::Drop(100_000), Do::WholeFile]);
    bench.installs();
    assert_eq!(bench.ranges(), [None, from(100_000)]);
}

#[test]
fn a_range_that_does_not_fit_is_thrown_away() {
    let mut bench = Bench::new();
    bench.server.next(&path_of(WEIGHTS), &[Do::Drop(100_000), Do::WrongRange, Do::Well]);
    bench.installs();
    assert_eq!(bench.ranges(), [None, from(100_000), None]);
}

#[test]
fn a_file_without_length_is_taken_only_if_its_size_is_known_from_elsewhere() {
    let mut bench = Bench::new();
    bench.server.always(&path_of(WEIGHTS), Do::NoLength);
    assert_eq!(bench.code(), ProblemCode::Download);

    let mut bench = Bench::new();
    let store = Server::start();
    store.serve("/blob", &fixture(WEIGHTS));
    store.always("/blob", Do::NoLength);
    bench.server.redirect(&path_of(WEIGHTS), &fixture(WEIGHTS), &format!("{}/blob", store.url()), true);
    bench.installs();
}

#[test]
fn a_file_in_pieces_has_an_end_of_its_own() {
    let mut bench = Bench::new();
    bench.server.always(&path_of(WEIGHTS), Do::Chunked);
    bench.installs();
}

#[test]
fn more_bytes_than_the_hub_says_are_not_taken() {
    let mut bench = Bench::new();
    let store = Server::start();
    let mut longer = fixture(WEIGHTS);
    longer.extend([0; 1000]);
    store.serve("/blob", &longer);
    store.always("/blob", Do::NoLength);
    bench.server.redirect(&path_of(WEIGHTS), &fixture(WEIGHTS), &format!("{}/blob", store.url()), true);
    let problem = bench.pull().unwrap_err();
    assert!(problem.code == ProblemCode::Download && problem.message.contains("more than"), "{problem:?}");
}

#[test]
fn a_file_that_changes_between_two_tries_begins_anew() {
    let mut bench = Bench::new();
    bench.pull_to(100_000, Stop::Pause);
    // The same tensors with one other bit.
    let mut changed = fixture(WEIGHTS);
    *changed.last_mut().unwrap() ^= 1;
    bench.server.serve(&path_of(WEIGHTS), &changed);
    assert!(matches!(bench.pull(), Ok(Outcome::Installed(_))));
    assert!(fs::read(bench.store.find(REPO).unwrap().folder.join(WEIGHTS)).unwrap() == changed);
    assert_eq!(bench.ranges(), [None, from(100_000)]);
}

#[test]
fn a_paused_download_goes_on_in_another_run() {
    let mut bench = Bench::new();
    let begin = Instant::now();
    bench.pull_to(300_000, Stop::Pause);
    assert!(begin.elapsed() < hasty().silence, "a pause does not wait for a server that is silent");
    let unfinished = bench.store.unfinished();
    assert_eq!((unfinished[0].name.as_str(), unfinished[0].state), (REPO, TransferState::Paused));
    assert_eq!(unfinished[0].received, 300_000 + fixture(CONFIG).len() as u64);
    assert!(bench.visible().is_empty());
    // A new store is a new run of the program.
    bench.store = Store::at(bench.store.root());
    bench.installs();
    assert_eq!(bench.ranges(), [None, from(300_000)]);
    assert!(bench.store.unfinished().is_empty());
}

#[test]
fn a_cancelled_download_leaves_nothing() {
    let mut bench = Bench::new();
    bench.pull_to(100_000, Stop::Cancel);
    assert!(names_in(&bench.store.root().join(".incoming")).is_empty() && bench.visible().is_empty());
}

#[test]
fn what_a_crash_left_is_gone_on_with_and_checked() {
    let mut bench = Bench::new();
    let store = Server::start();
    let bytes = fixture(WEIGHTS);
    store.serve("/blob", &bytes);
    bench.server.redirect(&path_of(WEIGHTS), &bytes, &format!("{}/blob", store.url()), true);
    store.next("/blob", &[Do::Drop(100_000)]);
    store.always("/blob", Do::Drop(0));
    assert_eq!(bench.code(), ProblemCode::Network);
    // The power failed: the end of the part is zeros, and there is a file that nobody asked for.
    let part = bench.incoming("open_clip_model.safetensors.part");
    let mut damaged = fs::read(&part).unwrap();
    let half = damaged.len() / 2;
    damaged[half..].fill(0);
    fs::write(&part, &damaged).unwrap();
    fs::write(bench.incoming("model.safetensors"), "left over").unwrap();
    store.always("/blob", Do::Well);
    bench.installs();
    assert_eq!(names_in(&bench.store.find(REPO).unwrap().folder), ["cliploupe.json", CONFIG, WEIGHTS]);
    // First the rest, then, as the hash was wrong, the whole.
    let ranges: Vec<_> =
        store.gets("/blob").iter().rev().take(2).map(|asked| asked.header("range").is_some()).collect();
    assert_eq!(ranges, [false, true]);
}

#[test]
fn a_disk_without_room_is_found_out_before_a_byte_comes() {
    let mut bench = Bench::new();
    bench.store = bench.store.clone().with_free_space(|_| Ok(900_000));
    let problem = bench.pull().unwrap_err();
    assert_eq!(problem.code, ProblemCode::DiskSpace);
    assert_eq!((problem.params["needed"].as_str(), problem.params["free"].as_str()), ("946 kB", "900 kB"));
    assert!(bench.server.gets(&path_of(WEIGHTS)).is_empty());
    // What is there already needs no room.
    bench.store = bench.store.clone().with_free_space(|_| Ok(1_000_000));
    bench.installs();
}

#[test]
fn two_programs_do_not_download_the_same_model() {
    let mut bench = Bench::new();
    bench.server.next(&path_of(WEIGHTS), &[Do::Slow(100_000, Duration::from_millis(20))]);
    let (recipe, hub) = (bench.recipe.clone(), Hub::new(Some(&bench.server.url())));
    let outcome = bench.pull_until(&Halt::default(), |now, store| {
        if now.state == TransferState::Receiving {
            let second = Store::at(store.root()).pull(&recipe, &hub, &hasty(), &Halt::default(), &mut |_| {});
            assert_eq!(second.unwrap_err().code, ProblemCode::ModelBusy);
            assert_eq!(store.discard(REPO).unwrap_err().code, ProblemCode::ModelBusy);
        }
    });
    assert!(matches!(outcome, Ok(Outcome::Installed(_))), "{outcome:?}");
}

#[test]
fn a_checkpoint_that_does_not_load_is_not_installed() {
    let changed = |key: &str, value: u32| {
        let mut config: serde_json::Value = serde_json::from_slice(&fixture(CONFIG)).unwrap();
        config["model_cfg"]["vision_cfg"][key] = value.into();
        config.to_string().into_bytes()
    };
    let mut bench = Bench::new();
    // One layer less: tensors are left over.
    bench.server.serve(&path_of(CONFIG), &changed("layers", 1));
    assert_eq!(bench.code(), ProblemCode::ModelTensors);
    assert!(bench.visible().is_empty());

    // A configuration that is not computed is refused before the weights are fetched.
    let mut bench = Bench::new();
    bench.server.serve(&path_of(CONFIG), &changed("wheels", 4));
    assert_eq!(bench.code(), ProblemCode::ModelConfig);
    assert!(bench.server.gets(&path_of(WEIGHTS)).is_empty());
}

#[test]
fn the_configuration_of_the_catalogue_is_written_where_the_server_has_none() {
    let mut bench = Bench::new();
    bench.server = Server::start();
    bench.server.serve(&path_of(WEIGHTS), &fixture(WEIGHTS));
    bench.recipe.written = vec![(CONFIG.to_owned(), serde_json::from_slice(&fixture(CONFIG)).unwrap())];
    let outcome = bench.pull().unwrap();
    let Outcome::Installed(installed) = outcome else { panic!("{outcome:?}") };
    let written: serde_json::Value = serde_json::from_slice(&fs::read(installed.folder.join(CONFIG)).unwrap()).unwrap();
    assert_eq!(written, bench.recipe.written[0].1);
    assert!(installed.record.files.iter().any(|file| file.name == CONFIG));
}

#[test]
fn a_folder_of_somebody_else_is_in_the_way_and_stays() {
    let mut bench = Bench::new();
    let own = bench.store.root().join("acme-tiny");
    fs::create_dir_all(&own).unwrap();
    fs::write(own.join("notes.txt"), "mine").unwrap();
    assert_eq!(bench.code(), ProblemCode::ModelExists);
    assert_eq!(bench.store.remove(REPO).unwrap_err().code, ProblemCode::ModelUnknown);
    assert_eq!(fs::read_to_string(own.join("notes.txt")).unwrap(), "mine");
    assert!(bench.folder.path().exists());
}
