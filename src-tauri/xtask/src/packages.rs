//! System packages: which are missing, and how to get them.

use std::process::{Command, Stdio};

/// What the app is built against: WebKitGTK, librsvg for icons, and CMake and NASM for libjpeg-turbo.
pub const BUILD: &[&str] = &["build-essential", "cmake", "libwebkit2gtk-4.1-dev", "librsvg2-dev", "nasm", "pkg-config"];

/// What the tests need besides: a display, a driver for the webview, a drag source, a software GPU, and other programs that
/// read and write sidecars (exiv2 is how digiKam and darktable do it).
pub const TEST: &[&str] = &[
    "at-spi2-core",
    "dbus-x11",
    "exiv2",
    "gir1.2-gtk-3.0",
    "libimage-exiftool-perl",
    "mesa-vulkan-drivers",
    "python3-gi",
    "webkit2gtk-driver",
    "xauth",
    "xdotool",
    "xvfb",
];

/// Makes sure that `wanted` are there: on Debian and its kin by installing them, elsewhere by saying what to install.
pub fn require(wanted: &[&str]) -> Result<(), String> {
    if !cfg!(target_os = "linux") {
        return has_builders();
    }
    if !on_path("apt-get") {
        return if has_webkit() { has_builders().and_then(|()| programs_of(wanted)) } else { Err(other_system()) };
    }
    let missing: Vec<&str> = wanted.iter().copied().filter(|package| !is_installed(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let by_hand = format!("sudo apt-get update && sudo apt-get install -y {}", missing.join(" "));
    println!("Installing system packages: {}", missing.join(" "));
    let as_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0"));
    let apt = |args: &[&str]| {
        let mut command = if as_root { Command::new("apt-get") } else { Command::new("sudo") };
        if !as_root {
            command.arg("apt-get");
        }
        command.args(args).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    // A list that is a little old still installs; a missing list does not.
    apt(&["update"]);
    let mut install = vec!["install", "-y", "--no-install-recommends"];
    install.extend(&missing);
    if apt(&install) {
        Ok(())
    } else {
        Err(format!("could not install system packages; run this by hand:\n  {by_hand}"))
    }
}

fn is_installed(package: &str) -> bool {
    let output = Command::new("dpkg-query").args(["-W", "-f=${Status}", package]).stderr(Stdio::null()).output();
    output.is_ok_and(|output| output.stdout.ends_with(b"ok installed"))
}

/// Whether `program` can be started by name.
pub fn on_path(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()))
}

/// Where packages have other names, the programs that they are wanted for.
fn programs_of(wanted: &[&str]) -> Result<(), String> {
    if !wanted.contains(&"xvfb") {
        return Ok(());
    }
    let needed = ["WebKitWebDriver", "Xvfb", "dbus-run-session", "exiftool", "exiv2", "xdotool", "xvfb-run"];
    let missing: Vec<&str> = needed.into_iter().filter(|program| !on_path(program)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "the tests need {}: install the packages that have them, GTK 3 for Python, and Mesa's llvmpipe",
        missing.join(", ")
    ))
}

/// Whether what builds libjpeg-turbo is there; its fast loops for x86 are in assembler.
fn has_builders() -> Result<(), String> {
    let needed = if cfg!(target_arch = "x86_64") { &["cmake", "nasm"][..] } else { &["cmake"][..] };
    let suffix = std::env::consts::EXE_SUFFIX;
    let missing: Vec<&str> = needed.iter().copied().filter(|program| !on_path(&format!("{program}{suffix}"))).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let install = match std::env::consts::OS {
        "macos" => format!("brew install {}", missing.join(" ")),
        "windows" => {
            missing.iter().map(|program| format!("winget install {}", winget(program))).collect::<Vec<_>>().join("\n  ")
        }
        _ => format!("install {} with the system's package manager", missing.join(" and ")),
    };
    Err(format!(
        "{} is missing, which libjpeg-turbo is built with; run this and try again:\n  {install}",
        missing.join(" and ")
    ))
}

fn winget(program: &str) -> &'static str {
    if program == "nasm" { "NASM.NASM" } else { "Kitware.CMake" }
}

fn has_webkit() -> bool {
    let found = Command::new("pkg-config").args(["--exists", "webkit2gtk-4.1"]).status();
    found.is_ok_and(|status| status.success())
}

fn other_system() -> String {
    let command = if on_path("dnf") {
        "sudo dnf install webkit2gtk4.1-devel librsvg2-devel gcc pkgconf cmake nasm"
    } else if on_path("pacman") {
        "sudo pacman -S --needed webkit2gtk-4.1 librsvg base-devel cmake nasm"
    } else if on_path("zypper") {
        "sudo zypper install webkit2gtk3-devel librsvg-devel gcc pkg-config cmake nasm"
    } else {
        return "WebKitGTK 4.1 with its headers is missing (pkg-config finds no webkit2gtk-4.1); install it first"
            .into();
    };
    format!("WebKitGTK 4.1 is missing; run this and try again:\n  {command}")
}
