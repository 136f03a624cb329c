//! `#[sync(merge = …)]`, `merge_with`, `group` and `on_delete`: how a struct is merged field by field.

use syn::{DeriveInput, Field, Ident, LitStr, Path, Type};

use super::attribute::{Item, Items};
use super::container::Container;
use super::field::Marks;
use super::{names, policy, suggest};
use crate::errors::Errors;
use crate::model::{BuiltIn, DatedBy, Group, How, MergedField, Merging, Policy, Prefers, Rule, Strategy};

/// What a field says about its merge.
pub(super) struct MergeMarks {
    /// The first of its items.
    first: Option<Ident>,
    rule: Option<(Ident, Rule)>,
    with: Option<(Ident, Path)>,
    group: Option<LitStr>,
}

impl MergeMarks {
    pub(super) fn parse(items: &Items, errors: &mut Errors) -> Self {
        let (merge, merge_with, group) = (items.get("merge"), items.get("merge_with"), items.get("group"));
        let rule = merge.map(|item| (item.name.clone(), policy::rule(item, errors)));
        let with = merge_with.and_then(|item| {
            let path = item.value("the path of a function", "my_merge", errors)?;
            Some((item.name.clone(), path))
        });
        let group = group.and_then(|item| group_name(item, errors));
        let first = [merge, merge_with, items.get("group")].into_iter().flatten().next();
        Self { first: first.map(|item| item.name.clone()), rule, with, group }
    }

    /// Whether it says anything.
    pub(super) fn any(&self) -> bool {
        self.first.is_some()
    }

    /// One field is merged in one way.
    fn contradictions(&self, errors: &mut Errors) {
        if let (Some(_), Some((at, _))) = (&self.rule, &self.with) {
            errors.at(at, "`merge_with` and `merge` both say how this field is merged: remove one of them");
        }
        if let (Some(_), Some((at, _))) = (&self.group, &self.with) {
            errors.at(
                at,
                "the fields of a group are taken from one side, all of them: remove `merge_with`, or take the field out of the group",
            );
        }
    }
}

fn group_name(item: &Item, errors: &mut Errors) -> Option<LitStr> {
    let Some(name) = item.text("\"address\"", errors) else { return item.word_for_text() };
    if name.value().trim().is_empty() {
        errors.at(
            &name,
            "the group has no name: write one, such as \"address\", above each field that belongs to it",
        );
        return None;
    }
    Some(name)
}

/// `#[sync(on_delete = …)]`.
pub(super) struct OnDelete {
    at: Ident,
    variant: Option<Ident>,
}

impl OnDelete {
    const ALL: [&'static str; 2] = ["KeepEdit", "Delete"];

    pub(super) fn parse(item: &Item, errors: &mut Errors) -> Option<Self> {
        let written: Ident = item.value("who wins, an edit or a deletion", "KeepEdit", errors)?;
        let known = Self::ALL.iter().any(|name| written == name);
        if !known {
            let advice = match suggest::nearest(&written.to_string(), &Self::ALL) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => "write `KeepEdit`, and an edit wins over a deletion on the other side, or `Delete`"
                    .to_owned(),
            };
            errors.at(&written, format!("unknown rule `{written}`: {advice}"));
        }
        Some(Self { at: item.name.clone(), variant: known.then_some(written) })
    }
}

/// What is said of merges has to be said where something is merged.
pub(super) fn belongs_here(container: &Container, fields: &[(&Field, Marks)], errors: &mut Errors) {
    let Some(strategy) = &container.strategy else { return };
    if let Some(on_delete) = container.on_delete.as_ref().filter(|_| !strategy.is(BuiltIn::Merge)) {
        errors.at(
            &on_delete.at,
            "`on_delete` belongs to `conflict = Merge`: another strategy decides about deletions itself; remove it",
        );
    }
    let Strategy::BuiltIn(BuiltIn::ServerWins | BuiltIn::ClientWins | BuiltIn::LastWriteWins, name) =
        strategy
    else {
        return;
    };
    let first =
        fields.iter().find_map(|(field, marks)| Some((field.ident.as_ref()?, marks.merge.first.as_ref()?)));
    if let Some((field, mark)) = first {
        errors.at(
            mark,
            format!(
                "`{mark}` says how `{field}` is merged, but `conflict = {name}` takes one side of the record whole: write \
                 `conflict = Merge`, or `conflict = Manual` and call `merge` in the handler, or remove `{mark}`"
            ),
        );
    }
}

/// The fields of a struct that have a meaning for its merge.
pub(super) struct Meanings<'a> {
    pub(super) id: Option<&'a Ident>,
    pub(super) updated_at: Option<(&'a Ident, &'a Type)>,
    /// Whether `updated_at` is known to be a time, also when no field asks for it.
    pub(super) always_dated: bool,
    /// Whether the struct is an entity.
    pub(super) record: bool,
    /// Whether all of the fields could be read. What could not be read may be what seems to be missing.
    pub(super) whole: bool,
}

/// How a struct is merged, with its contradictions noted.
pub(super) fn merging(
    input: &DeriveInput,
    fields: &[(&Field, Marks)],
    meanings: &Meanings<'_>,
    on_delete: Option<&OnDelete>,
    errors: &mut Errors,
) -> Merging {
    for (field, marks) in fields {
        marks.merge.contradictions(errors);
        if let (Some(mark), true) = (&marks.merge.first, field.ident.as_ref() == meanings.id) {
            errors.at(mark, format!("the id is the same on both sides and never merged: remove `{mark}`"));
        }
    }
    let groups = Groups::of(fields, meanings.whole, errors);
    let asked = latest_of(fields, &groups);
    if let (Some(at), None, true) = (asked, meanings.updated_at, meanings.whole) {
        errors.at(
            at,
            format!(
                "`Latest` compares `updated_at`, and `{}` has none: add `updated_at: DateTime<Utc>`, write \
                 `#[sync(updated_at)]` above the field with that meaning, or choose another policy",
                input.ident
            ),
        );
    }
    let dated = asked.is_some() || meanings.always_dated;
    let by = |(ident, ty): (&Ident, &Type)| {
        if meanings.record { DatedBy::Record } else { DatedBy::Field(ident.clone(), Box::new(ty.clone())) }
    };
    let dated_by = meanings.updated_at.filter(|_| dated).map(by);
    let merged = fields.iter().enumerate().filter_map(|(place, (field, marks))| {
        let ident = field.ident.clone()?;
        let follows = asked.filter(|_| meanings.updated_at.is_some_and(|(at, _)| *at == ident));
        let unmarked = || match follows {
            // The merged record carries the time of what was taken.
            Some(latest) => Rule::BuiltIn(Policy::Latest, Ident::new("Latest", latest.span())),
            None => Rule::fallback(),
        };
        let how = match (groups.of_field(place), &marks.merge.with, &marks.merge.rule) {
            (Some(group), ..) => How::InGroup(group),
            (None, Some((_, path)), _) => How::With(path.clone()),
            (None, None, Some((_, rule))) => How::By(rule.clone()),
            (None, None, None) => How::By(unmarked()),
        };
        let (ty, visibility) = (field.ty.clone(), field.vis.clone());
        Some(MergedField { name: names::plain(&ident), ident, ty, visibility, how })
    });
    Merging {
        visibility: input.vis.clone(),
        fields: merged.collect(),
        groups: groups.found.into_iter().map(|group| group.group).collect(),
        dated_by,
        on_delete: on_delete.and_then(|on_delete| on_delete.variant.clone()),
    }
}

/// Where it is asked first which side is the later one.
fn latest_of<'a>(fields: &'a [(&Field, Marks)], groups: &'a Groups) -> Option<&'a Ident> {
    let by_fields = fields.iter().filter_map(|(_, marks)| marks.merge.rule.as_ref()?.1.latest());
    by_fields.chain(groups.found.iter().filter_map(|group| group.latest.as_ref())).next()
}

struct Groups {
    found: Vec<Found>,
}

/// A group, and what was said of it.
struct Found {
    name: LitStr,
    group: Group,
    latest: Option<Ident>,
}

impl Groups {
    fn of(fields: &[(&Field, Marks)], whole: bool, errors: &mut Errors) -> Self {
        let mut names: Vec<LitStr> = Vec::new();
        for name in fields.iter().filter_map(|(_, marks)| marks.merge.group.as_ref()) {
            if !names.iter().any(|earlier| earlier.value() == name.value()) {
                names.push(name.clone());
            }
        }
        let found: Vec<_> = names.into_iter().map(|name| Found::of(name, fields, errors)).collect();
        for alone in found.iter().filter(|found| whole && found.group.members.len() == 1) {
            let name = alone.name.value();
            let others: Vec<_> =
                found.iter().map(|found| found.name.value()).filter(|other| *other != name).collect();
            let others: Vec<_> = others.iter().map(String::as_str).collect();
            let advice = match suggest::nearest(&name, &others) {
                Some(nearest) => format!("did you mean \"{nearest}\"?"),
                None => format!("write `group = \"{name}\"` above the others as well, or remove it here"),
            };
            errors.at(&alone.name, format!("the group \"{name}\" has only this field: {advice}"));
        }
        Self { found }
    }

    fn of_field(&self, place: usize) -> Option<usize> {
        self.found.iter().position(|found| found.group.members.contains(&place))
    }
}

impl Found {
    /// Collects the fields of a group. A policy on one of them is that of all.
    fn of(name: LitStr, fields: &[(&Field, Marks)], errors: &mut Errors) -> Self {
        let belongs =
            |marks: &Marks| marks.merge.group.as_ref().is_some_and(|group| group.value() == name.value());
        let members: Vec<_> = (0..fields.len()).filter(|place| belongs(&fields[*place].1)).collect();
        let mut said: Option<(Prefers, Ident)> = None;
        for (at, rule) in members.iter().filter_map(|place| fields[*place].1.merge.rule.as_ref()) {
            let Some((prefers, word)) = prefers(rule) else {
                errors.at(
                    at,
                    format!(
                        "the fields of the group \"{}\" are taken from one side, all of them: write `Remote`, `Local` or \
                         `Latest`, or take the field out of the group",
                        name.value()
                    ),
                );
                continue;
            };
            match &said {
                Some((earlier, first)) if *earlier != prefers => errors.at(
                    word,
                    format!(
                        "the group \"{}\" is taken from one side, and another field of it says `{first}`: write the same here, or \
                         nothing",
                        name.value()
                    ),
                ),
                Some(_) => {}
                None => said = Some((prefers, word.clone())),
            }
        }
        let prefers = said.as_ref().map_or(Prefers::Remote, |(prefers, _)| *prefers);
        let latest = said.filter(|(prefers, _)| *prefers == Prefers::Latest).map(|(_, word)| word);
        Self { name, group: Group { prefers, members }, latest }
    }
}

fn prefers(rule: &Rule) -> Option<(Prefers, &Ident)> {
    match rule {
        Rule::BuiltIn(Policy::Remote, word) => Some((Prefers::Remote, word)),
        Rule::BuiltIn(Policy::Local, word) => Some((Prefers::Local, word)),
        Rule::BuiltIn(Policy::Latest, word) => Some((Prefers::Latest, word)),
        _ => None,
    }
}
