//! The system clipboard: files, a path as text, or a picture to paste; text to copy.

use std::{
    io::Cursor,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use arboard::{Error, ImageData};
use cliploupe_workbench::messages::{Problem, ProblemCode};
use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};

/// What can be pasted.
pub enum Content {
    /// Files and folders.
    Files(Vec<PathBuf>),
    /// A picture without a file.
    Picture {
        /// A file name for it.
        name: String,
        /// Its content.
        png: Vec<u8>,
    },
}

/// The clipboard. It is kept open, because on X11 and Wayland copied text lives as long as its owner.
#[derive(Default)]
pub struct Clipboard {
    open: Mutex<Option<arboard::Clipboard>>,
}

impl Clipboard {
    fn with<T>(&self, use_it: impl FnOnce(&mut arboard::Clipboard) -> Result<T, Error>) -> Result<T, Error> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let clipboard = match &mut *open {
            Some(clipboard) => clipboard,
            closed => closed.insert(arboard::Clipboard::new()?),
        };
        use_it(clipboard)
    }

    /// What there is to paste: files first, then a picture, then text that names files.
    pub fn read(&self) -> Result<Content, Problem> {
        let files = self.with(|clipboard| clipboard.get().file_list());
        if let Ok(files) = files
            && !files.is_empty()
        {
            return Ok(Content::Files(files));
        }
        match self.with(|clipboard| clipboard.get_image()) {
            Ok(picture) => return as_png(&picture),
            Err(Error::ContentNotAvailable) => {}
            Err(error) => return Err(problem(&error.to_string())),
        }
        let text = self.with(|clipboard| clipboard.get_text()).unwrap_or_default();
        let paths = paths_in(&text);
        if paths.is_empty() {
            let message = "the clipboard holds neither files nor a picture. Copy photos in a file manager, or a picture, and paste again.";
            return Err(Problem::new(ProblemCode::ClipboardEmpty, &[], message));
        }
        Ok(Content::Files(paths))
    }

    /// Copies text.
    pub fn write(&self, text: String) -> Result<(), Problem> {
        self.with(|clipboard| clipboard.set_text(text)).map_err(|error| problem(&error.to_string()))
    }
}

/// The lines of a text that are paths of existing files, plain or as `file://`.
fn paths_in(text: &str) -> Vec<PathBuf> {
    let path = |line: &str| match url::Url::parse(line) {
        Ok(url) if url.scheme() == "file" => url.to_file_path().ok(),
        _ => Some(PathBuf::from(line.trim_matches(['"', '\'']))),
    };
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.filter_map(path).filter(|path| path.is_absolute() && Path::exists(path)).collect()
}

fn as_png(picture: &ImageData<'_>) -> Result<Content, Problem> {
    let (width, height) = (picture.width as u32, picture.height as u32);
    let mut png = Cursor::new(Vec::new());
    PngEncoder::new(&mut png)
        .write_image(&picture.bytes, width, height, ExtendedColorType::Rgba8)
        .map_err(|error| problem(&error.to_string()))?;
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    Ok(Content::Picture { name: format!("pasted-{seconds}.png"), png: png.into_inner() })
}

fn problem(cause: &str) -> Problem {
    Problem::new(ProblemCode::Clipboard, &[("cause", cause)], format!("cannot use the clipboard: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_that_name_existing_files_are_paths() {
        let file = tempfile::Builder::new().prefix("a b").tempfile().unwrap();
        let url = url::Url::from_file_path(file.path()).unwrap();
        let text = format!("{url}\nno/such\n  \n\"{}\"\nhttps://example.org/x.jpg\n", file.path().display());
        assert_eq!(paths_in(&text), [file.path(), file.path()]);
    }
}
