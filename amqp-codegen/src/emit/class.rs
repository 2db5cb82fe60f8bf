//! The file of one class: a struct per method, the enums of several replies, the properties.

use proc_macro2::TokenStream;
use quote::quote;

use super::format::decimal;
use super::scope::{ClassTypes, Scope};
use super::{Options, docs, format, method, properties};
use crate::model::{Class, Specification};

/// The text of `queue.rs`.
pub(super) fn file(specification: &Specification, class: &Class, options: &Options) -> String {
    let types = ClassTypes::new(class);
    let mut scope = Scope::new(options, types.all());

    let mut items = vec![class_id(class)];
    for method in &class.methods {
        items.extend(method::items(
            specification,
            class,
            method,
            &types,
            &mut scope,
        ));
    }
    if !class.properties.is_empty() {
        items.extend(properties::items(specification, class, &types, &mut scope));
    }
    let mut file = scope.imports();
    file.extend(items);

    let mut paragraphs = docs::paragraphs(specification, &class.docs);
    if paragraphs.is_empty() {
        paragraphs.push(format!("Class `{}`.", class.name));
    }
    format::file(specification, options, &paragraphs, file)
}

fn class_id(class: &Class) -> TokenStream {
    let docs = docs::comment(&[format!("The id of class `{}`.", class.name)], 0);
    let id = decimal(class.id);
    quote! {
        #docs
        pub const CLASS_ID: u16 = #id;
    }
}
