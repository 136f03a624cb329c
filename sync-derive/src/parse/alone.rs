//! Fields that are also read and written without their record: by their type alone, which knows nothing of what serde was
//! told of the field.

use quote::ToTokens;
use syn::{DeriveInput, Field, Ident, Meta};

use super::attribute::tight;
use super::container::Container;
use super::field::Marks;
use super::names::{self, RenameAll};
use crate::errors::Errors;
use crate::model::Named;

/// What in `#[serde(…)]` gives a field another form than its type has.
const OTHER_FORMS: [&str; 4] = ["with", "serialize_with", "deserialize_with", "getter"];

/// Refuses another form for the id, and for what a server is asked for. A reference is written as the id that it is, and
/// an `updated_at` as a time, so that their members may look as they like.
pub(super) fn have_one_form(
    input: &DeriveInput,
    container: &Container,
    fields: &[(&Field, Marks)],
    id: Option<&Named>,
    errors: &mut Errors,
) {
    for (field, marks) in fields {
        let Some(ident) = &field.ident else { continue };
        let record = names::plain(&input.ident);
        let alone = if id.is_some_and(|id| id.ident == *ident) {
            Alone {
                name: format!("{record}Id"),
                why: "the id is also read and written alone, for instance where a deletion is told",
                traits: "`Serialize` and `Deserialize`",
                or: "",
            }
        } else if container.replica && marks.index.is_some() {
            Alone {
                name: format!("{record}{}", RenameAll::Pascal.apply(&names::plain(ident))),
                why: "a server is asked for records by this field alone",
                traits: "`Serialize`, `Deserialize` and `Indexable`",
                or: ", or remove `index`",
            }
        } else {
            continue;
        };
        alone.has_one_form(field, ident, errors);
    }
}

/// A field that is read and written alone.
struct Alone {
    /// What a type of its own could be called.
    name: String,
    why: &'static str,
    /// What that type needs.
    traits: &'static str,
    /// Another way out.
    or: &'static str,
}

impl Alone {
    /// Notes the first of what gives it another form, and shows where all of it belongs.
    fn has_one_form(&self, field: &Field, ident: &Ident, errors: &mut Errors) {
        let items = names::serde_items(&field.attrs);
        let forms: Vec<_> = items.iter().filter_map(|item| Some((item, other_form(item)?))).collect();
        let Some((first, form)) = forms.first() else { return };
        let Self { name, why, traits, or } = self;
        let advice = if forms.iter().any(|(_, form)| *form == "getter") {
            format!("keep in `{ident}` what is to be written, and remove serde's `getter`")
        } else {
            let forms: Vec<_> = forms.iter().map(|(item, _)| item.to_token_stream().to_string()).collect();
            let (forms, ty) = (forms.join(", "), tight(&field.ty));
            format!(
                "write a newtype with its own {traits}, such as `struct {name}(#[serde({forms})] {ty});`, and `{ident}: {name}`{or}"
            )
        };
        errors.at(first, format!("serde's `{form}` holds only inside the record, and {why}: {advice}"));
    }
}

fn other_form(item: &Meta) -> Option<&'static str> {
    OTHER_FORMS.into_iter().find(|form| item.path().is_ident(form))
}
