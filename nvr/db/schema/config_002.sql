-- The values of nvr.RecordMode, and days. What counts as motion lies in sealed:
-- zones draw the scene.
ALTER TABLE camera ADD COLUMN record INTEGER NOT NULL DEFAULT 0;
ALTER TABLE camera ADD COLUMN quiet INTEGER NOT NULL DEFAULT 0;
