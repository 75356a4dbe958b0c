-- Schema 1. Times are milliseconds since 1970 (`_ms`). Paths are bytes as the system spells them (paths.rs).

-- library_id, created_ms
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;

-- Folders that are watched for new photos.
CREATE TABLE watched_folder (
  id INTEGER PRIMARY KEY,
  path BLOB NOT NULL UNIQUE,
  added_ms INTEGER NOT NULL,
  scanned_ms INTEGER                -- the last scan that came to its end
) STRICT;

-- A photo: one identity, however many files it has. `identity` is NULL while its file has not been read (pending),
-- or could not be (then `problem` says why, as JSON).
CREATE TABLE photo (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  identity BLOB UNIQUE CHECK (identity IS NULL OR length(identity) = 32),
  added_ms INTEGER NOT NULL,
  format TEXT,
  width INTEGER,                    -- upright
  height INTEGER,
  orientation INTEGER,              -- EXIF, 1 to 8, as last read
  taken_ms INTEGER,                 -- by the camera's clock
  camera TEXT,
  colour TEXT,                      -- JSON {model, bits, alpha}
  look BLOB,                        -- 8 bytes, a perceptual hash of the thumbnail
  thumbnail_crc INTEGER,            -- CRC-32 of the thumbnail's file; NULL while there is none
  problem TEXT,                     -- JSON, why it could not be read
  removed_ms INTEGER                -- taken out of the library on purpose; decisions stay, and count again if it returns
) STRICT;
CREATE INDEX photo_taken ON photo (taken_ms);
CREATE INDEX photo_camera ON photo (camera);
CREATE INDEX photo_pending ON photo (id) WHERE identity IS NULL;

-- Where a photo lies. A file that is gone stays, with the time since when.
CREATE TABLE file (
  id INTEGER PRIMARY KEY,
  photo INTEGER NOT NULL REFERENCES photo (id),
  path BLOB NOT NULL UNIQUE,
  bytes INTEGER NOT NULL,
  modified_ns INTEGER NOT NULL,
  missing_since_ms INTEGER
) STRICT;
CREATE INDEX file_photo ON file (photo);
CREATE INDEX file_missing ON file (photo) WHERE missing_since_ms IS NOT NULL;

-- Names of labels, hierarchical: animal/dog.
CREATE TABLE label (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE CHECK (name <> '')) STRICT;

-- What a person decided. verdict 1: accepted, the photo has this tag. 0: rejected. The rest is what had been suggested.
CREATE TABLE decision (
  photo INTEGER NOT NULL REFERENCES photo (id),
  label INTEGER NOT NULL REFERENCES label (id),
  verdict INTEGER NOT NULL CHECK (verdict IN (0, 1)),
  decided_ms INTEGER NOT NULL,
  origin TEXT NOT NULL CHECK (origin IN ('person', 'sidecar', 'file')),
  model TEXT,
  prompt TEXT,
  cosine REAL,
  score REAL,
  probability REAL,
  suggested_ms INTEGER,
  PRIMARY KEY (photo, label)
) STRICT, WITHOUT ROWID;
CREATE INDEX decision_label ON decision (label, verdict);

-- What a model suggests; never a tag. One model at a time: another one's suggestions take their place.
CREATE TABLE suggestion (
  photo INTEGER NOT NULL REFERENCES photo (id),
  label INTEGER NOT NULL REFERENCES label (id),
  model TEXT NOT NULL,
  prompt TEXT NOT NULL,
  cosine REAL NOT NULL,
  score REAL NOT NULL,              -- the margin that probabilities are made from (calibrate.rs)
  probability REAL NOT NULL,
  suggested_ms INTEGER NOT NULL,
  PRIMARY KEY (photo, label)
) STRICT, WITHOUT ROWID;
CREATE INDEX suggestion_label ON suggestion (label, probability);

-- Where tags begin, where a person set it.
CREATE TABLE threshold (
  label INTEGER NOT NULL REFERENCES label (id),
  model TEXT NOT NULL,
  probability REAL NOT NULL CHECK (probability BETWEEN 0 AND 1),
  chosen_by TEXT NOT NULL,          -- 'person', or the measure that it maximises, such as 'f1'
  set_ms INTEGER NOT NULL,
  PRIMARY KEY (label, model)
) STRICT, WITHOUT ROWID;

-- Steps that can be undone, oldest first, and what each changed. `before` and `after` are decisions as JSON, NULL for none.
CREATE TABLE step (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL,               -- 'accept', 'reject', 'clear', 'add', 'rename', 'import'
  at_ms INTEGER NOT NULL,
  undone INTEGER NOT NULL DEFAULT 0 CHECK (undone IN (0, 1))
) STRICT;
CREATE TABLE step_change (
  step INTEGER NOT NULL REFERENCES step (id) ON DELETE CASCADE,
  photo INTEGER NOT NULL,
  label INTEGER NOT NULL,
  before TEXT,
  after TEXT,
  PRIMARY KEY (step, photo, label)
) STRICT, WITHOUT ROWID;

-- What the library and an XMP sidecar agreed on when it was last written or taken over: the base of the next merge.
CREATE TABLE sidecar (
  photo INTEGER NOT NULL REFERENCES photo (id) ON DELETE CASCADE,
  path BLOB NOT NULL,
  written_ms INTEGER NOT NULL,
  tags TEXT NOT NULL,               -- JSON, names of labels
  PRIMARY KEY (photo, path)
) STRICT, WITHOUT ROWID;

-- Label sets. `body` is JSON (label_sets.rs); every version that was saved is kept.
CREATE TABLE label_set (
  id INTEGER PRIMARY KEY,
  uid TEXT NOT NULL UNIQUE,         -- stays with a set that is shared as a file
  name TEXT NOT NULL UNIQUE,
  version INTEGER NOT NULL
) STRICT;
CREATE TABLE label_set_version (
  label_set INTEGER NOT NULL REFERENCES label_set (id) ON DELETE CASCADE,
  version INTEGER NOT NULL,
  body TEXT NOT NULL,
  saved_ms INTEGER NOT NULL,
  PRIMARY KEY (label_set, version)
) STRICT, WITHOUT ROWID;
