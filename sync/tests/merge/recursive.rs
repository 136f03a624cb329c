//! Structs that hold values of their own type, which they may call `Self`.

use serde::{Deserialize, Serialize};
use sync::{Mergeable, Syncable};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/nodes", conflict = Merge)]
struct Node {
    id: u8,
    children: Vec<Self>,
    #[sync(merge = Nested)]
    twin: Option<Box<Self>>,
}

fn node(id: u8, children: &[u8]) -> Node {
    let children = children.iter().map(|id| Node { id: *id, children: vec![], twin: None }).collect();
    Node { id, children, twin: None }
}

#[test]
fn a_list_of_the_structs_own_type_overlaps_as_any_field_does() {
    let merged = Node::merge(Some(&node(1, &[])), &node(1, &[2]), &node(1, &[3]));
    let both = merged.overlap(Node::FIELDS.children).expect("both sides changed it");
    assert_eq!((both.base, both.local), (Some(vec![]), vec![node(2, &[])]));
    assert_eq!(both.remote, [node(3, &[])]);
}

#[test]
fn a_field_of_the_value_inside_is_found_through_the_one_that_holds_it() {
    let twin = |children: &[u8]| Node { twin: Some(Box::new(node(2, children))), ..node(1, &[]) };
    let merged = Node::merge(Some(&twin(&[])), &twin(&[3]), &twin(&[4]));
    assert_eq!(merged.overlaps[0].to_string(), "twin.children");
    let both = merged.overlap(Node::FIELDS.twin.then(Node::FIELDS.children)).expect("both sides changed it");
    assert_eq!((both.local, both.remote), (vec![node(3, &[])], vec![node(4, &[])]));
}

#[derive(Debug, Clone, PartialEq, Mergeable)]
struct Tree<T, const N: usize> {
    values: [T; N],
    branches: Option<Vec<Self>>,
}

#[test]
fn a_generic_struct_keeps_its_parameters() {
    let tree = |branches: &[u8]| {
        let leaf = |value: &u8| Tree { values: [*value; 2], branches: None };
        Tree { values: [0; 2], branches: Some(branches.iter().map(leaf).collect()) }
    };
    let merged = Tree::merge(Some(&tree(&[])), &tree(&[1]), &tree(&[2]));
    let both = merged.overlap(Tree::<u8, 2>::FIELDS.branches).expect("both sides changed it");
    assert_eq!((both.local, both.remote), (tree(&[1]).branches, tree(&[2]).branches));
}
