//! What the chores consist of, in order.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use crate::packages;

/// The tests' display; large enough for the window and the drag source beside it.
const SCREEN: &str = "1600x1000x24";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new(".")).to_owned()
}

/// Runs a program to its end in `folder`, saying what it is and how long it took.
fn step(what: &str, folder: &Path, program: &str, args: &[&str], env: &[(&str, &OsStr)]) -> Result<(), String> {
    println!("\n── {what}");
    let begin = Instant::now();
    let status = Command::new(program)
        .args(args)
        .envs(env.iter().copied())
        .current_dir(folder)
        .status()
        .map_err(|error| format!("cannot start {program}: {error}"))?;
    println!("── {what}: {:.0} s", begin.elapsed().as_secs_f32());
    if status.success() {
        Ok(())
    } else {
        Err(format!("{what} failed: {program} {} ended with {status}", args.join(" ")))
    }
}

fn npm(what: &str, args: &[&str]) -> Result<(), String> {
    // On Windows npm is a script, which only a shell finds.
    let program = if cfg!(windows) { "npm.cmd" } else { "npm" };
    step(what, &root().join("ui"), program, args, &[])
}

fn cargo(what: &str, args: &[&str]) -> Result<(), String> {
    step(what, &root(), env!("CARGO"), args, &[])
}

/// The page's dependencies, as the lock file has them.
fn install_page() -> Result<(), String> {
    let advice = "install Node.js 20.19 or newer with npm (https://nodejs.org), then try again";
    if !packages::on_path(if cfg!(windows) { "npm.cmd" } else { "npm" }) {
        return Err(format!("npm is missing: {advice}"));
    }
    let version = Command::new("node").arg("--version").output().map_err(|_| format!("node is missing: {advice}"))?;
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    if !is_new_enough(&version) {
        return Err(format!("Node.js {version} is too old for the page's build: {advice}"));
    }
    let installed = root().join("ui/node_modules/.package-lock.json");
    let lock = root().join("ui/package-lock.json");
    let modified = |path: &Path| path.metadata().and_then(|metadata| metadata.modified()).ok();
    if modified(&installed).is_some_and(|time| modified(&lock).is_some_and(|lock| time >= lock)) {
        return Ok(());
    }
    npm("install the page's packages", &["ci", "--no-audit", "--no-fund"])
}

/// What Vite asks for: 20.19 or newer of the 20s, 22.12 or newer.
fn is_new_enough(version: &str) -> bool {
    let mut parts = version.trim_start_matches('v').split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let (major, minor) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    (major == 20 && minor >= 19) || (major == 22 && minor >= 12) || major > 22
}

/// The parts of the toolchain that a minimal one lacks.
fn require_components() -> Result<(), String> {
    let missing: Vec<&str> = [("rustfmt", "fmt"), ("clippy", "clippy")]
        .into_iter()
        .filter(|(_, command)| {
            let found = Command::new(env!("CARGO")).args([command, "--version"]).output();
            !found.is_ok_and(|output| output.status.success())
        })
        .map(|(component, _)| component)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    step("install toolchain components", &root(), "rustup", &[&["component", "add"], missing.as_slice()].concat(), &[])
}

/// Builds the app in release and opens its window.
pub fn run(photos: &[String]) -> Result<(), String> {
    let on_linux = cfg!(target_os = "linux");
    let has_display =
        ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some_and(|v| !v.is_empty()));
    if on_linux && !has_display {
        return Err("there is no display to open a window on (neither DISPLAY nor WAYLAND_DISPLAY is set).\n\
             The command line does the same without one:\n  \
             cargo run --release -p cliploupe-cli -- label assets/samples"
            .into());
    }
    packages::require(packages::BUILD)?;
    install_page()?;
    npm("build the page", &["run", "build"])?;
    cargo(
        "build the app (the first time takes 10 to 20 minutes)",
        &["build", "--release", "--features", "custom-protocol"],
    )?;
    let mut args = vec!["run", "--release", "--features", "custom-protocol", "--bin", "cliploupe", "--"];
    args.extend(photos.iter().map(String::as_str));
    cargo("open the window", &args)
}

/// Every check, in the order in which one would rather fail.
pub fn test() -> Result<(), String> {
    packages::require(&[packages::BUILD, packages::TEST].concat())?;
    require_components()?;
    install_page()?;
    cargo("format", &["fmt", "--all", "--check"])?;
    npm("check the page's types", &["run", "check"])?;
    npm("lint the page", &["run", "lint"])?;
    npm("test the page", &["run", "test"])?;
    // The app's tests look at the built page, so it comes first.
    npm("build the page", &["run", "build"])?;
    const ALL: &[&str] = &["--workspace", "--all-targets", "--features", "custom-protocol"];
    cargo("clippy", &[&["clippy"], ALL, &["--", "-D", "warnings"]].concat())?;
    // One at a time per target: towers use every core by themselves.
    in_display("tests", &[&["test"], ALL].concat())?;
    println!("\nEvery check has passed.");
    Ok(())
}

/// Writes the TypeScript types of what crosses to the page.
pub fn generate() -> Result<(), String> {
    let write: &[(&str, &OsStr)] = &[("CLIPLOUPE_WRITE_BINDINGS", OsStr::new("1"))];
    let args = ["test", "--workspace", "--features", "custom-protocol", "--test", "workbench", "bindings"];
    step("write the bindings", &root(), env!("CARGO"), &args, write)
}

/// Runs cargo with a display of its own on Linux, where the window test needs one.
fn in_display(what: &str, args: &[&str]) -> Result<(), String> {
    if !cfg!(target_os = "linux") {
        return cargo(what, args);
    }
    let screen = format!("-screen 0 {SCREEN}");
    let mut command = vec!["-a", "-s", &screen, "dbus-run-session", "--", env!("CARGO")];
    command.extend(args);
    // wgpu and GTK want a private folder for sockets, which a bare machine does not have.
    let runtime = std::env::temp_dir().join(format!("cliploupe-runtime-{}", std::process::id()));
    std::fs::create_dir_all(&runtime).map_err(|error| format!("cannot make {runtime:?}: {error}"))?;
    private(&runtime);
    let env: &[(&str, &OsStr)] = &[
        ("XDG_RUNTIME_DIR", runtime.as_os_str()),
        ("GDK_BACKEND", OsStr::new("x11")),
        // On llvmpipe every kernel that is tried takes seconds, and which one is the fastest matters to no test.
        ("CUBECL_AUTOTUNE_LEVEL", OsStr::new("minimal")),
    ];
    let result = step(what, &root(), "xvfb-run", &command, env);
    let _ = std::fs::remove_dir_all(&runtime);
    result
}

#[cfg(unix)]
fn private(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let _ = std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700));
}

#[cfg(not(unix))]
fn private(_folder: &Path) {}

#[cfg(test)]
mod tests {
    use super::is_new_enough;

    #[test]
    fn only_versions_that_vite_runs_on_are_new_enough() {
        assert!(["v20.19.0", "v22.12.1", "v24.0.0"].into_iter().all(is_new_enough));
        assert!(!["v18.19.0", "v20.18.9", "v21.7.0", "v22.11.0", "nonsense"].into_iter().any(is_new_enough));
    }
}
