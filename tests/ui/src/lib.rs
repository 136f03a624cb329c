//! What the programs share that are tried on the compiler: a schema around an entity, and entities of another crate.
//!
//! A package of its own with few dependencies, since they are all built anew for it.

pub mod entities;

/// Puts entities into a schema with its handlers, and pushes a record of the first: what is wrong with an entity has to
/// be reported where it was written, and nowhere in here.
#[macro_export]
macro_rules! in_an_app {
    ($first:ident $(, $other:ident)*) => {
        #[derive(sync::Schema)]
        #[sync(entities($first $(, $other)*))]
        struct App;

        impl sync::OnPull<$first> for App {}
        $(impl sync::OnPull<$other> for App {})*

        async fn used(engine: sync::Engine<App>, record: $first) -> Result<(), sync::Error> {
            let id = sync::Syncable::id(&record);
            engine.push(&record).await?;
            engine.delete::<$first>(id).await?;
            Ok(())
        }
    };
}
