//! A native drag: another program's window offers files, and the pointer carries them over.

use std::{
    path::Path,
    process::{Child, Command},
    thread::sleep,
    time::Duration,
};

use crate::dialog::xdotool;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Drops `paths` onto the middle of the app's window, which is under the pointer's way from the source's corner.
pub fn onto_window(paths: &[&Path]) -> Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/window/drag_source.py");
    // Debian's own interpreter: it is the one that has GTK.
    let mut source = Killed(Command::new("/usr/bin/python3").arg(script).args(paths).spawn()?);
    let found = loop {
        if let Some(status) = source.0.try_wait()? {
            return Err(
                format!("the drag source ended with {status}: are python3-gi and gir1.2-gtk-3.0 installed?").into()
            );
        }
        match xdotool(&["search", "--name", "^drag source$"]) {
            Ok(found) if !found.is_empty() => break found,
            _ => sleep(Duration::from_millis(200)),
        }
    };
    let window = found.lines().next().ok_or("the drag source has no window")?;
    sleep(Duration::from_millis(500));
    xdotool(&["windowraise", window, "mousemove", "--window", window, "60", "40"])?;
    xdotool(&["mousedown", "1"])?;
    sleep(Duration::from_millis(300));
    // Without motion in steps there is no drag.
    for _ in 0..20 {
        xdotool(&["mousemove_relative", "--", "-40", "-25"])?;
        sleep(Duration::from_millis(60));
    }
    sleep(Duration::from_millis(700));
    xdotool(&["mouseup", "1"])?;
    sleep(Duration::from_millis(500));
    Ok(())
}
