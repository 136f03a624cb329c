//! Tokens to model. Nothing in here generates code.

mod attribute;
mod container;
mod endpoint;
mod field;
mod names;
mod schema;
mod suggest;

use syn::{Data, DeriveInput, Field, Fields};

use crate::errors::Errors;
use crate::model::{BuiltIn, Entity, Named, Strategy};
use container::Container;
use field::Marks;
use names::RenameAll;

pub(crate) use schema::schema;

/// Reads a struct that derives `Syncable`.
pub(crate) fn entity(input: &DeriveInput, errors: &mut Errors) -> Entity {
    let fields = named_fields(input, errors);
    let container = Container::parse(input, errors);
    let rename_all = RenameAll::of(&input.attrs);
    let marked: Vec<_> = fields.iter().map(|field| (*field, Marks::parse(field, errors))).collect();

    let id = meant(&marked, rename_all, "id", |marks| marks.id.as_ref(), errors);
    if id.is_none() && !fields.is_empty() {
        errors.at(
            &input.ident,
            format!("`{}` has no id: name a field `id`, or mark the field that is the record's id with `#[sync(id)]`", input.ident),
        );
    } else if id.is_none()
        && matches!(&input.data, Data::Struct(data) if matches!(data.fields, Fields::Named(_)))
    {
        errors.at(
            &input.ident,
            format!("`{}` has no fields: give it at least an id, such as `id: Uuid`", input.ident),
        );
    }
    let updated_at = meant(&marked, rename_all, "updated_at", |marks| marks.updated_at.as_ref(), errors);
    if let (Strategy::BuiltIn(BuiltIn::LastWriteWins, at), None) = (&container.strategy, &updated_at) {
        errors.at(
            at,
            format!(
                "`LastWriteWins` compares `updated_at`, and `{}` has none: add `updated_at: DateTime<Utc>`, mark the field with that meaning with `#[sync(updated_at)]`, or choose another strategy",
                input.ident
            ),
        );
    }
    Entity {
        ident: input.ident.clone(),
        generics: input.generics.clone(),
        krate: container.krate,
        name: container.name,
        endpoint: container.endpoint,
        strategy: container.strategy,
        id,
        updated_at,
        references: marked.iter().filter_map(|(field, marks)| marks.reference(field)).collect(),
        fields: fields.iter().filter_map(|field| Some((field.ident.clone()?, field.ty.clone()))).collect(),
    }
}

fn named_fields<'a>(input: &'a DeriveInput, errors: &mut Errors) -> Vec<&'a Field> {
    let ident = &input.ident;
    let advice = "a record is a JSON object, so write a struct with named fields";
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => return fields.named.iter().collect(),
            Fields::Unnamed(fields) => {
                errors.at(
                    fields,
                    format!("`Syncable` cannot be derived for the tuple struct `{ident}`: {advice}"),
                );
            }
            Fields::Unit => {
                errors.at(
                    ident,
                    format!("`Syncable` cannot be derived for the unit struct `{ident}`: {advice}"),
                );
            }
        },
        Data::Enum(data) => {
            errors.at(
                data.enum_token,
                format!("`Syncable` cannot be derived for the enum `{ident}`: {advice}"),
            );
        }
        Data::Union(data) => {
            errors.at(
                data.union_token,
                format!("`Syncable` cannot be derived for the union `{ident}`: {advice}"),
            );
        }
    }
    Vec::new()
}

/// Finds the field with a meaning: the marked one, or else the one of that name.
fn meant(
    fields: &[(&Field, Marks)],
    rename_all: RenameAll,
    meaning: &str,
    mark: impl Fn(&Marks) -> Option<&syn::Ident>,
    errors: &mut Errors,
) -> Option<Named> {
    let mut marked = fields.iter().filter(|(_, marks)| mark(marks).is_some());
    let by_mark = marked.next();
    for (field, marks) in marked {
        let first =
            by_mark.and_then(|(field, _)| field.ident.as_ref()).map(ToString::to_string).unwrap_or_default();
        errors.at(
            mark(marks),
            format!("there is one `{meaning}` in a record, and `{first}` is marked already: remove one of the marks"),
        );
        let _ = field;
    }
    let by_name = || {
        fields
            .iter()
            .find(|(field, _)| field.ident.as_ref().is_some_and(|ident| names::plain(ident) == meaning))
    };
    let (field, _) = by_mark.or_else(by_name)?;
    let ident = field.ident.clone()?;
    match names::member(field, &ident, rename_all) {
        Some(member) => Some(Named { ident, ty: field.ty.clone(), member }),
        None => {
            errors.at(
                &ident,
                format!("the `{meaning}` has to be part of the record's JSON: remove serde's `skip` or `flatten` from `{ident}`"),
            );
            Some(Named { member: ident.to_string(), ident, ty: field.ty.clone() })
        }
    }
}
