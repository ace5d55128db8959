-- What of motion is told without a key, and no more than that: how many events
-- ended in a segment and in how many seconds something moved.
-- activity = 1 if the detector watched all of it + 2 * seconds + 8192 * events;
-- NULL is not known. Of a quiet segment it is 1, which takes no room in a row.
-- Before this there was nothing of motion in any segment: 0.
ALTER TABLE segment ADD COLUMN activity INTEGER DEFAULT 0;

ALTER TABLE quarter ADD COLUMN moving INTEGER NOT NULL DEFAULT 0;  -- seconds with motion
ALTER TABLE quarter ADD COLUMN unknown INTEGER NOT NULL DEFAULT 0; -- ms of segments whose activity is not known
