-- What an operation refers to is deleted by the program that writes the next one. So a row that is mended with a shell still holds up
-- what has to wait for it.
DROP TRIGGER sync_outbox_references_on_update;
