//! The library at its borders: files on disk, processes that are killed, other programs' sidecars.

/// Probabilities from scores, on made-up libraries whose truth is known.
mod calibrate;
/// Damage of every kind, found and repaired.
mod check;
/// A full disk, wherever it fills.
#[cfg(target_os = "linux")]
mod disk_full;
mod exiftool; // ExifTool, which the tests ask what files say
/// Stores of features that several programs write, that are killed, and that fill their disk.
mod features;
mod identity; // files of every format, as ExifTool leaves them after editing their metadata
/// A made-up import, and processes of this very program.
mod importer;
/// Processes that are killed at any moment.
#[cfg(unix)]
mod kills;
/// Older and newer schemas.
mod migration;
/// Files and drives that vanish and come back, and clocks that go backwards.
mod missing;
/// Names that are no plain words.
mod paths;
/// Disks and folders that cannot be written.
#[cfg(target_os = "linux")]
mod read_only;
/// How long things take with a million photos.
mod scale;
/// Search in whole libraries on disk, and the figures of large ones.
mod search;
mod sidecars; // sidecars that ExifTool and other programs write, and what these make of ours
/// Decisions and steps in a file that several programs share.
mod tags;
/// Two processes on one library.
mod two_processes;
