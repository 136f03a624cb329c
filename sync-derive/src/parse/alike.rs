//! Members that serde writes and reads alike: what is stored of a record is written by the struct, and read back by it.

use syn::{DeriveInput, Field, GenericArgument, Ident, Meta, PathArguments, Type};

use super::attribute::tight;
use super::field::Marks;
use super::names::{self, RenameAll, Side, serde_items};
use crate::errors::Errors;
use crate::model::Named;
use crate::peeled;

/// Refuses what is written and not read, or read and not written, and what may be missing where it has to be there.
/// `meant` are the fields with a meaning: that serde leaves one of them out is told already.
pub(super) fn are_alike(
    input: &DeriveInput,
    fields: &[(&Field, Marks)],
    meant: &[Option<&Named>],
    errors: &mut Errors,
) {
    let container = Container::of(input);
    if container.has_another_type {
        return;
    }
    let mut of_the_rule = None;
    for (field, marks) in fields {
        let Some(ident) = &field.ident else { continue };
        let items = serde_items(&field.attrs);
        let said = Said { ident, ty: &field.ty, items: &items };
        let told = marks.index.is_some() || meant.iter().flatten().any(|named| named.ident == *ident);
        if let (Some(skipped), false) = (said.skipped_on_one_side(), told) {
            said.refuse_to_skip(skipped, errors);
        }
        // What has no member of its own has no name that could be another one.
        if names::LEFT_OUT.iter().any(|name| said.find(name).is_some()) {
            continue;
        }
        said.comes_back_where_it_was_left_out(container.default, errors);
        let written = names::written(&items, ident, container.written);
        if names::read(&items, ident, container.read).contains(&written) {
            continue;
        }
        match said.find("rename") {
            Some(rename) => errors.at(
                rename,
                format!(
                    "serde writes `{ident}` as `{written}` and does not read it by that name, but what is stored is read back by the \
                     same type: add `alias = \"{written}\"`"
                ),
            ),
            // Not told of each field: it is one mistake.
            None => drop(of_the_rule.get_or_insert((ident, written))),
        }
    }
    if let (Some((ident, written)), Some((item, rule))) = (of_the_rule, container.rename_all) {
        errors.at(
            item,
            format!(
                "serde writes `{ident}` as `{written}` and does not read it by that name, but what is stored is read back by the same \
                 type: write `rename_all = \"{rule}\"`, or `#[serde(alias = \"{written}\")]` above `{ident}`, and so above each field \
                 with two names"
            ),
        );
    }
}

/// What serde is told of all fields.
pub(super) struct Container {
    written: RenameAll,
    read: RenameAll,
    /// Where the rule stands, and what it says first.
    rename_all: Option<(Meta, String)>,
    /// Whether a field that is missing has a value all the same.
    default: bool,
    /// Whether the JSON is that of another type, which nothing is known of here.
    pub(super) has_another_type: bool,
}

impl Container {
    pub(super) fn of(input: &DeriveInput) -> Self {
        let items = serde_items(&input.attrs);
        let rename_all = items.iter().find_map(|item| {
            let rules = [Side::Written, Side::Read]
                .into_iter()
                .flat_map(|side| names::texts(item, "rename_all", side));
            Some((item.clone(), rules.into_iter().next()?))
        });
        let says =
            |names: &[&str]| items.iter().any(|item| names.iter().any(|name| item.path().is_ident(name)));
        Self {
            written: RenameAll::of(&input.attrs, Side::Written),
            read: RenameAll::of(&input.attrs, Side::Read),
            rename_all,
            default: says(&["default"]),
            has_another_type: says(&["from", "try_from", "into"]),
        }
    }
}

/// What serde is told of a field.
struct Said<'a> {
    ident: &'a Ident,
    ty: &'a Type,
    items: &'a [Meta],
}

impl<'a> Said<'a> {
    fn find(&self, name: &str) -> Option<&'a Meta> {
        self.items.iter().find(|item| item.path().is_ident(name))
    }

    fn skipped_on_one_side(&self) -> Option<&'a Meta> {
        match (self.find("skip_serializing"), self.find("skip_deserializing")) {
            (Some(skipped), None) | (None, Some(skipped)) => Some(skipped),
            (Some(_), Some(_)) | (None, None) => None,
        }
    }

    fn refuse_to_skip(&self, skipped: &Meta, errors: &mut Errors) {
        let (ident, word) = (self.ident, skipped.path().get_ident());
        let word = word.map(ToString::to_string).unwrap_or_default();
        errors.at(
            skipped,
            format!(
                "with serde's `{word}`, `{ident}` does not come back from what is stored, which is written and read by the same type: \
                 remove it, or write `skip`, which leaves it out on both sides"
            ),
        );
    }

    fn comes_back_where_it_was_left_out(&self, default: bool, errors: &mut Errors) {
        let Some(condition) = self.find("skip_serializing_if") else { return };
        // Serde takes a missing `Option` for `None`, unless a function reads it. What `Option::is_none` is asked of is one, under
        // whatever name.
        let by_function = self.find("with").or(self.find("deserialize_with")).is_some();
        let option = !by_function
            && (last_word(self.ty).is_some_and(|word| word == "Option") || asks_option(condition));
        if default || option || self.find("default").is_some() {
            return;
        }
        let (ident, ty) = (self.ident, tight(self.ty));
        // A type of the user's may be read where it is missing, which nothing here tells.
        let unless = if by_function || has_to_be_there(self.ty) {
            String::new()
        } else {
            format!(", unless serde reads a missing `{ty}` as it reads a missing `Option`")
        };
        errors.at(
            condition,
            format!(
                "where serde's `skip_serializing_if` leaves `{ident}` out, what is stored cannot be read back by the same type{unless}: \
                 add `default`, as in `#[serde(default, skip_serializing_if = …)]`"
            ),
        );
    }
}

/// `Vec` of `std::vec::Vec<u8>`.
pub(super) fn last_word(ty: &Type) -> Option<&Ident> {
    let Type::Path(path) = peeled::ty(ty) else { return None };
    path.path.segments.last().map(|last| &last.ident)
}

/// `u8` of `std::vec::Vec<u8>`.
pub(super) fn argument(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = peeled::ty(ty) else { return None };
    let PathArguments::AngleBracketed(arguments) = &path.path.segments.last()?.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

fn asks_option(condition: &Meta) -> bool {
    let function = names::texts(condition, "skip_serializing_if", Side::Written).into_iter().next();
    let function = function.unwrap_or_default().replace(' ', "");
    function == "Option::is_none" || function.ends_with("::Option::is_none")
}

/// Types of the standard library that serde cannot read where they are missing.
const HAS_TO_BE_THERE: [&str; 26] = [
    "bool",
    "char",
    "i8",
    "i16",
    "i32",
    "i64",
    "i128",
    "isize",
    "u8",
    "u16",
    "u32",
    "u64",
    "u128",
    "usize",
    "f32",
    "f64",
    "String",
    "PathBuf",
    "Vec",
    "VecDeque",
    "LinkedList",
    "BinaryHeap",
    "HashMap",
    "BTreeMap",
    "HashSet",
    "BTreeSet",
];

fn has_to_be_there(ty: &Type) -> bool {
    match peeled::ty(ty) {
        Type::Array(_) | Type::Tuple(_) => true,
        ty => last_word(ty).is_some_and(|word| HAS_TO_BE_THERE.iter().any(|known| word == known)),
    }
}
