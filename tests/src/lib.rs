//! What the stories share: entities, an application that keeps what it is told, and engines on a server in memory.

pub mod app;
pub mod device;
pub mod entities;
pub mod simulation;
pub mod soak;

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
