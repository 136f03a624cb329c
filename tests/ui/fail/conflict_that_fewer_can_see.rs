//! The strategy of a public entity is a type that its users do not know.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = strategies::Theirs)]
pub struct Note {
    id: u64,
}

mod strategies {
    use sync::{BoxError, Conflict, Resolution, Strategy, Syncable};

    pub(crate) struct Theirs;

    impl<S, T: Syncable> Strategy<S, T> for Theirs {
        async fn resolve(_: &S, _: Conflict<T>) -> Result<Resolution<T>, BoxError> {
            Ok(Resolution::TakeRemote)
        }
    }
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
