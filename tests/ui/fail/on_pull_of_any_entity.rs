//! A handler for any entity, of which some may be kept by the engine.

use sync::{BoxError, OnPull, Pulled, Syncable};

struct Recorder;

impl<T: Syncable> OnPull<T> for Recorder {
    async fn on_pull(&self, _: Pulled<T>) -> Result<(), BoxError> {
        Ok(())
    }
}

fn main() {}
