//! The typed rim: the only layer that is generic over the user's types.
use std::marker::PhantomData;
use std::sync::Arc;

use crate::entity::{EntityOf, Schema};
use crate::handler::OnPull;
use crate::strategy::Strategy;

/// Collects the entities of a schema.
pub struct Registry<S> {
    schema: Arc<S>,
    entities: Vec<PhantomData<S>>,
}

impl<S: Schema> Registry<S> {
    /// Adds an entity.
    pub fn add<T>(&mut self)
    where
        T: EntityOf<S, References: crate::codegen_support::ReferencesIn<S>, Strategy: Strategy<S, T>>,
        S: OnPull<T>,
    {
        let _ = &self.schema;
        self.entities.push(PhantomData);
    }
}
