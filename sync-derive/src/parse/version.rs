//! `#[sync(version = …, upgrade = …)]`: a struct that was another one before.

use syn::{LitInt, Path};

use super::attribute::Items;
use crate::errors::Errors;
use crate::model::Versioned;

/// Reads both; each needs the other.
pub(super) fn parse(items: &Items, errors: &mut Errors) -> Option<Versioned> {
    let (version, upgrade) = (items.get("version"), items.get("upgrade"));
    if let (Some(item), None, true) = (version, upgrade, items.whole) {
        errors.at(
            &item.name,
            "a later version has to read what earlier ones stored: add `upgrade = path`, with a \
             `fn(Outdated<'_>) -> Result<Self, BoxError>`",
        );
    }
    if let (None, Some(item), true) = (version, upgrade, items.whole) {
        errors.at(
            &item.name,
            "`upgrade` reads what earlier versions stored: say which version this is, as in `version = 2`",
        );
    }
    let number: Option<LitInt> = version.and_then(|item| item.value("a number", "2", errors));
    let path: Option<Path> = upgrade.and_then(|item| item.value("the path of a function", "upgrade", errors));
    let number = number?;
    let version = match number.base10_parse::<u32>() {
        Ok(version) if version >= 2 => version,
        Ok(_) => {
            errors.at(
                &number,
                "what says nothing of versions is version 1: write 2 or more, or remove `version`",
            );
            return None;
        }
        Err(_) => {
            errors.at(&number, format!("a version is a number from 2 to {}", u32::MAX));
            return None;
        }
    };
    Some(Versioned { version, upgrade: path? })
}
