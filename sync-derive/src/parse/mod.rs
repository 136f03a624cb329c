//! Tokens to model. Nothing in here generates code.

mod alike;
mod alone;
pub(crate) mod attribute;
mod container;
mod deprecated;
mod endpoint;
mod field;
pub(crate) mod index;
mod members;
mod merge;
mod names;
mod part;
mod policy;
mod schema;
mod suggest;
mod tag;
mod version;

use syn::{Data, DeriveInput, Field, Fields, Ident, Type};

use crate::errors::Errors;
use crate::model::{BuiltIn, Entity, Named, Strategy};
use crate::peeled;
use container::Container;
use field::Marks;
use merge::Meanings;
use names::{RenameAll, Side};

pub(crate) use part::part;
pub(crate) use schema::schema;

/// Reads a struct that derives `Syncable`. `None` for what can be no entity whatever is said of it: serde has no derive
/// for a union, and what borrows does not live long enough.
pub(crate) fn entity(input: &DeriveInput, errors: &mut Errors) -> Option<Entity> {
    let named = named_fields(input, errors);
    let fields = named.clone().unwrap_or_default();
    owns_what_it_holds(input, errors);
    let container = Container::parse(input, errors);
    let marked: Vec<_> = fields.iter().map(|field| (*field, Marks::parse(field, errors))).collect();

    let rename_all = RenameAll::of(&input.attrs, Side::Written);
    let id = Meaning { name: "id", mark: |marks| marks.id.as_ref() }.find(&marked, rename_all, errors);
    let updated_at = Meaning { name: "updated_at", mark: |marks| marks.updated_at.as_ref() };
    let updated_at = updated_at.find(&marked, rename_all, errors);
    // What could not be read may be what seems to be missing.
    let whole = named.is_some() && marked.iter().all(|(_, marks)| marks.whole);
    if whole {
        has_id(input, id.as_ref(), fields.is_empty(), errors);
        has_what_is_compared(input, container.strategy.as_ref(), updated_at.as_ref(), errors);
    }
    alike::are_alike(input, &marked, &[id.as_ref(), updated_at.as_ref()], errors);
    tag::is_passed_over(input, &fields, errors);
    alone::have_one_form(input, &container, &marked, id.as_ref(), errors);
    merge::belongs_here(&container, &marked, errors);
    let merges = container.strategy.as_ref().is_some_and(|strategy| strategy.is(BuiltIn::Merge));
    let merging = (merges || marked.iter().any(|(_, marks)| marks.merge.any())).then(|| {
        let meanings = Meanings {
            id: id.as_ref().map(|id| &id.ident),
            updated_at: updated_at.as_ref().map(|at| (&at.ident, &at.ty)),
            always_dated: true,
            record: true,
            whole,
        };
        merge::merging(input, &marked, &meanings, container.on_delete.as_ref(), errors)
    });
    let indexed = index::indexed(&container, &marked, rename_all, errors);
    let possible = input.generics.lifetimes().next().is_none() && !matches!(input.data, Data::Union(_));
    possible.then(|| Entity {
        ident: input.ident.clone(),
        generics: input.generics.clone(),
        krate: container.krate,
        name: container.name,
        endpoint: container.endpoint,
        strategy: container.strategy.unwrap_or_else(Strategy::fallback),
        id,
        updated_at,
        references: marked.iter().filter_map(|(field, marks)| marks.reference(field)).collect(),
        members: members::members(input, &fields),
        unordered: fields.iter().filter_map(|field| field::unordered(field, rename_all)).collect(),
        replica: container.replica,
        indexed,
        version: container.version,
        deprecated: deprecated::is_let_be(input),
        merging,
    })
}

fn named_fields<'a>(input: &'a DeriveInput, errors: &mut Errors) -> Option<Vec<&'a Field>> {
    let ident = &input.ident;
    let mut refuse = |kind: &str, advice: &str| {
        errors.at(ident, format!("`{ident}` is {kind}, but a record is a JSON object with an id: {advice}"));
    };
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => return Some(fields.named.iter().collect()),
            Fields::Unnamed(_) => refuse("a tuple struct", "give its fields names"),
            Fields::Unit => refuse("a unit struct", "give it fields, at least an `id`"),
        },
        Data::Enum(_) => {
            refuse("an enum", "write a struct with an `id`, and a field that holds the enum");
        }
        Data::Union(_) => refuse("a union", "write a struct with named fields"),
    }
    None
}

fn owns_what_it_holds(input: &DeriveInput, errors: &mut Errors) {
    if let Some(lifetime) = input.generics.lifetimes().next() {
        errors.at(
            lifetime,
            format!(
                "`{}` borrows, but a record outlives the call that pushes it: hold owned values, such as `String`",
                input.ident
            ),
        );
    }
}

fn has_id(input: &DeriveInput, id: Option<&Named>, empty: bool, errors: &mut Errors) {
    let ident = &input.ident;
    match id {
        Some(id) => can_be_a_key(&id.ty, errors),
        None if empty => {
            errors.at(ident, format!("`{ident}` has no fields: give it at least an id, such as `id: Uuid`"));
        }
        None => errors.at(
            ident,
            format!(
                "`{ident}` has no id: name a field `id`, or write `#[sync(id)]` above the field that is the record's id"
            ),
        ),
    }
}

/// What can be seen to be no id as it is written. A type of another name may be a newtype of one.
fn can_be_a_key(id: &Type, errors: &mut Errors) {
    let what = match peeled::ty(id) {
        Type::Tuple(_) => "no tuple",
        Type::Array(_) | Type::Slice(_) => "no array",
        Type::Path(path) => match path.path.segments.last().map(|last| last.ident.to_string()).as_deref() {
            // No push of one would succeed.
            Some("u128" | "i128") => {
                errors.at(id, "an id is an integer of up to 64 bits, such as `u64`: write a `Uuid` or a `String` for one that is longer");
                return;
            }
            Some("f32" | "f64") => "no fraction, which may be written in more than one way",
            Some("bool") => "no truth value, which names two records at most",
            Some("Option") => "never missing, since each record needs one of its own",
            Some("Vec" | "HashMap" | "BTreeMap" | "HashSet" | "BTreeSet") => "no collection",
            _ => return,
        },
        _ => return,
    };
    errors.at(
        id,
        format!(
            "an id is {what}: write a `Uuid`, a `String`, an integer of up to 64 bits, or a newtype of one"
        ),
    );
}

fn has_what_is_compared(
    input: &DeriveInput,
    strategy: Option<&Strategy>,
    updated_at: Option<&Named>,
    errors: &mut Errors,
) {
    if let (Some(Strategy::BuiltIn(BuiltIn::LastWriteWins, at)), None) = (strategy, updated_at) {
        errors.at(
            at,
            format!(
                "`LastWriteWins` compares `updated_at`, and `{}` has none: add `updated_at: DateTime<Utc>`, \
                 write `#[sync(updated_at)]` above the field with that meaning, or choose another strategy",
                input.ident
            ),
        );
    }
}

/// A meaning that one field can have.
struct Meaning {
    name: &'static str,
    mark: fn(&Marks) -> Option<&Ident>,
}

impl Meaning {
    /// Finds the field with the meaning: the marked one, or else the one of that name.
    fn find(&self, fields: &[(&Field, Marks)], rename_all: RenameAll, errors: &mut Errors) -> Option<Named> {
        let mut marked = fields
            .iter()
            .filter_map(|(field, marks)| Some((field, field.ident.as_ref()?, (self.mark)(marks)?)));
        let first = marked.next();
        for (_, _, mark) in marked {
            let (name, first) = (self.name, first.map(|(_, ident, _)| ident.to_string()).unwrap_or_default());
            errors.at(
                mark,
                format!(
                    "a record has one `{name}`, and `{first}` is marked already: remove one of the marks"
                ),
            );
        }
        let by_name = || {
            let named = fields.iter().filter_map(|(field, _)| Some((field, field.ident.as_ref()?)));
            named.into_iter().find(|(_, ident)| names::plain(ident) == self.name)
        };
        let (field, ident) = first.map(|(field, ident, _)| (field, ident)).or_else(by_name)?;
        let member = names::member(field, ident, rename_all).unwrap_or_else(|left_out| {
            let name = self.name;
            errors.at(
                ident,
                format!("the `{name}` has to be part of the record's JSON: remove serde's `{left_out}` from `{ident}`"),
            );
            names::plain(ident)
        });
        Some(Named { ident: ident.clone(), ty: field.ty.clone(), member })
    }
}
