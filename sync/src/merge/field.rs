//! Names of fields that the compiler checks.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use super::Step;

/// A field of type `F` of the struct `T`: what [`Mergeable::FIELDS`](super::Mergeable::FIELDS) holds.
pub struct Field<T, F> {
    path: Cow<'static, [&'static str]>,
    of: PhantomData<fn(&T) -> &F>,
}

impl<T, F> Field<T, F> {
    /// The field with this name. The derive of [`Mergeable`](super::Mergeable) writes them.
    #[must_use]
    pub const fn new(name: &'static [&'static str; 1]) -> Self {
        Self { path: Cow::Borrowed(name), of: PhantomData }
    }

    /// A field inside this one, which is merged with `#[sync(merge = Nested)]`: itself a struct, or an `Option` or `Box` of
    /// one.
    ///
    /// ```
    /// use sync::Mergeable;
    ///
    /// #[derive(Clone, PartialEq, Mergeable)]
    /// struct Address { street: String }
    ///
    /// #[derive(Clone, PartialEq, Mergeable)]
    /// struct Person {
    ///     #[sync(merge = Nested)]
    ///     address: Option<Address>,
    /// }
    ///
    /// let at = |street: &str| Person { address: Some(Address { street: street.into() }) };
    /// let merged = Person::merge(Some(&at("Lane")), &at("Long Lane"), &at("Short Lane"));
    /// let street = merged.overlap(Person::FIELDS.address.then(Address::FIELDS.street)).unwrap();
    /// assert_eq!((&*street.local, &*street.remote), ("Long Lane", "Short Lane"));
    /// assert_eq!(merged.overlaps[0].to_string(), "address.street");
    /// ```
    #[must_use]
    #[allow(clippy::needless_pass_by_value, reason = "a field is named where it is asked for")]
    pub fn then<N, G>(self, inner: Field<N, G>) -> Field<T, G>
    where
        F: Holds<N>,
    {
        let path = self.path.iter().chain(inner.path.iter()).copied().collect();
        Field { path: Cow::Owned(path), of: PhantomData }
    }

    pub(super) fn is_at(&self, path: &[Step]) -> bool {
        let same = |(step, name): (&Step, &&str)| matches!(step, Step::Field(field) if field == name);
        path.len() == self.path.len() && path.iter().zip(self.path.iter()).all(same)
    }
}

impl<T, F> Clone for Field<T, F> {
    fn clone(&self) -> Self {
        Self { path: self.path.clone(), of: PhantomData }
    }
}

/// Shown as a person would name it, such as `address.street`.
impl<T, F> fmt::Display for Field<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path.join("."))
    }
}

impl<T, F> fmt::Debug for Field<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Field({self})")
    }
}

/// A field whose type is, or has inside, a struct `N` that is merged field by field.
#[diagnostic::on_unimplemented(
    message = "a field of type `{Self}` has no fields of `{N}` in it",
    label = "`{Self}` is neither `{N}` nor an `Option` or a `Box` of it"
)]
pub trait Holds<N> {}

impl<N> Holds<N> for N {}
impl<N> Holds<N> for Option<N> {}
impl<N> Holds<N> for Box<N> {}
impl<N> Holds<N> for Option<Box<N>> {}
