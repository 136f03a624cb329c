//! `#[sync(index)]`: the fields that records are found by.

use syn::ext::IdentExt;
use syn::{Field, Ident};

use super::container::Container;
use super::field::Marks;
use super::names::{self, RenameAll};
use crate::errors::Errors;
use crate::model::{Indexed, Named};

/// Finds the marked fields.
pub(super) fn indexed(
    container: &Container,
    fields: &[(&Field, Marks)],
    rename_all: RenameAll,
    errors: &mut Errors,
) -> Vec<Indexed> {
    let marked = fields
        .iter()
        .filter_map(|(field, marks)| Some((*field, field.ident.as_ref()?, marks.index.as_ref()?)));
    let marked: Vec<_> = marked.collect();
    if let (Some((_, _, mark)), false, true) = (marked.first(), container.replica, container.whole) {
        errors.at(
            mark,
            "`index` is for records that the engine keeps: add `replica` to the `#[sync(…)]` above the struct, or remove `index`",
        );
    }
    let mut found: Vec<Indexed> = Vec::new();
    for (field, ident, mark) in marked {
        let column = column(ident);
        if let Some(earlier) = found.iter().find(|earlier| self::column(&earlier.field.ident) == column) {
            errors.at(
                mark,
                format!(
                    "`{}` has the column `{column}` already: remove one of the marks, or rename a field",
                    earlier.field.ident
                ),
            );
            continue;
        }
        let member = names::member(field, ident, rename_all).unwrap_or_else(|left_out| {
            errors.at(
                ident,
                format!("records are found by what is in their JSON: remove serde's `{left_out}` from `{ident}`, or `index`"),
            );
            names::plain(ident)
        });
        let named = Named { ident: ident.clone(), ty: field.ty.clone(), member };
        found.push(Indexed { field: named, visibility: field.vis.clone() });
    }
    found
}

/// The name of a field's column.
pub(crate) fn column(field: &Ident) -> String {
    field.unraw().to_string().to_uppercase()
}
