-- Schema 2: a photo that lost its file is still shown with where it lay, and what the menus of filters ask is in indexes.

ALTER TABLE photo ADD COLUMN last_path BLOB;  -- where it lay last; NULL while it has a file
-- 1: a person added its file by hand, and so wants back what was removed before; 0 once that has been done.
ALTER TABLE photo ADD COLUMN wanted INTEGER NOT NULL DEFAULT 0 CHECK (wanted IN (0, 1));

CREATE INDEX photo_last_path ON photo (last_path) WHERE last_path IS NOT NULL;
CREATE INDEX photo_shown ON photo (id) WHERE removed_ms IS NULL;
CREATE INDEX photo_removed ON photo (id) WHERE removed_ms IS NOT NULL;
CREATE INDEX photo_problem ON photo (id) WHERE problem IS NOT NULL;
CREATE INDEX photo_format ON photo (format);

-- A photo's files that are there come first, and which photos have one is read from the index alone.
DROP INDEX file_photo;
CREATE INDEX file_photo ON file (photo, missing_since_ms);

-- Photos to be set aside: a mark for the person's own use, nothing is moved or deleted.
CREATE TABLE mark (photo INTEGER PRIMARY KEY REFERENCES photo (id) ON DELETE CASCADE, marked_ms INTEGER NOT NULL) STRICT;

-- What a person said of photos that a search found; `search` is its terms as JSON.
CREATE TABLE search_mark (
  search TEXT NOT NULL,
  photo INTEGER NOT NULL REFERENCES photo (id) ON DELETE CASCADE,
  belongs INTEGER NOT NULL CHECK (belongs IN (0, 1)),
  marked_ms INTEGER NOT NULL,
  PRIMARY KEY (search, photo)
) STRICT, WITHOUT ROWID;
-- Photos that have a tag.
CREATE INDEX decision_tagged ON decision (photo) WHERE verdict = 1;
