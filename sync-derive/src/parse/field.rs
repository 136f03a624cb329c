//! `#[sync(…)]` on a field.

use syn::{Field, Ident, Path, PathArguments, Type};

use super::attribute::{Value, items};
use crate::errors::Errors;
use crate::model::{Many, Reference};

const KNOWN: [&str; 3] = ["id", "updated_at", "references"];

/// What stands on a field.
#[derive(Default)]
pub(super) struct Marks {
    pub(super) id: Option<Ident>,
    pub(super) updated_at: Option<Ident>,
    target: Option<Path>,
}

impl Marks {
    pub(super) fn parse(field: &Field, errors: &mut Errors) -> Self {
        let mut marks = Self::default();
        for item in items(&field.attrs, errors) {
            let name = item.name.to_string();
            let slot = match name.as_str() {
                "id" => &mut marks.id,
                "updated_at" => &mut marks.updated_at,
                "references" => {
                    if marks.target.is_some() {
                        item.repeated(errors);
                    } else {
                        marks.target = item.value("Note", errors);
                    }
                    continue;
                }
                "endpoint" | "conflict" | "name" | "crate" => {
                    errors.at(
                        &item.name,
                        format!("`{name}` belongs on the struct, not on a field: move it above `struct`"),
                    );
                    continue;
                }
                _ => {
                    item.unknown(&KNOWN, errors);
                    continue;
                }
            };
            if slot.is_some() {
                item.repeated(errors);
            } else if !matches!(item.value, Value::Nothing) {
                errors.at(&item.name, format!("`{name}` takes no value: write `#[sync({name})]`"));
            }
            *slot = Some(item.name);
        }
        marks
    }

    pub(super) fn reference(&self, field: &Field) -> Option<Reference> {
        let many = if holds_any(&field.ty) { Many::Any } else { Many::One };
        Some(Reference {
            ident: field.ident.clone()?,
            ty: field.ty.clone(),
            target: self.target.clone()?,
            many,
        })
    }
}

/// Whether a type is written as an `Option` or a `Vec`.
fn holds_any(ty: &Type) -> bool {
    let Type::Path(path) = ty else { return false };
    path.path.segments.last().is_some_and(|last| {
        (last.ident == "Option" || last.ident == "Vec")
            && matches!(last.arguments, PathArguments::AngleBracketed(_))
    })
}
