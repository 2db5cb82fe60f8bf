//! `metadata.rs`: the table that describes every class, method and field.

use proc_macro2::TokenStream;
use quote::quote;

use super::format::{decimal, ident, import};
use super::layout::{self, FieldView};
use super::scope::{Scope, property};
use super::{Options, docs, format};
use crate::model::{Class, Direction, Method, Role, Specification, WireType};

/// The text of `metadata.rs`.
pub(super) fn file(specification: &Specification, options: &Options) -> String {
    let mut scope = Scope::new(options, []);
    let mut table = Table {
        scope: &mut scope,
        kinds: Vec::new(),
        fields: false,
        reserved: false,
        secrets: false,
    };
    let classes = table.classes(specification);
    let helpers = table.helpers();
    let kinds = table.kinds();

    let mut items = scope.imports();
    items.push(kinds);
    items.push(classes);
    items.extend(helpers);
    let summary = "The specification as data, for tools that have to treat all methods alike.";
    format::file(specification, options, &[summary.to_owned()], items)
}

struct Table<'s, 'o> {
    scope: &'s mut Scope<'o>,
    /// Sorted, each once.
    kinds: Vec<&'static str>,
    fields: bool,
    reserved: bool,
    secrets: bool,
}

impl Table<'_, '_> {
    fn classes(&mut self, specification: &Specification) -> TokenStream {
        let class_info = self.scope.metadata("ClassInfo");
        let docs = docs::comment(&["All classes, by id."], 0);
        let classes: Vec<_> = specification
            .classes
            .iter()
            .map(|class| self.class(class))
            .collect();
        quote! {
            #docs
            pub static CLASSES: &[#class_info] = &[#(#classes),*];
        }
    }

    fn class(&mut self, class: &Class) -> TokenStream {
        let class_info = self.scope.metadata("ClassInfo");
        let (name, id) = (&class.name.spec, decimal(class.id));
        let methods: Vec<_> = class
            .methods
            .iter()
            .map(|method| self.method(class, method))
            .collect();
        let properties: Vec<_> = class
            .properties
            .iter()
            .map(|property| self.field(&property.into()))
            .collect();
        quote! {
            #class_info {
                name: #name,
                id: #id,
                methods: &[#(#methods),*],
                properties: &[#(#properties),*],
            }
        }
    }

    fn method(&mut self, class: &Class, method: &Method) -> TokenStream {
        let [method_info, direction] =
            ["MethodInfo", "Direction"].map(|name| self.scope.metadata(name));
        let method_id = self.scope.wire("MethodId");
        let name = format!("{}.{}", class.name, method.name);
        let (class_id, id) = (decimal(class.id), decimal(method.id));
        let sender = ident(match method.direction {
            Direction::ClientToServer => "ClientToServer",
            Direction::ServerToClient => "ServerToClient",
            Direction::Both => "Both",
        });
        let synchronous = matches!(method.role, Role::Request(_));
        let replies: Vec<_> = layout::replies(method)
            .into_iter()
            .map(|id| {
                let (class, id) = (decimal(class.id), decimal(id));
                quote!(#method_id::new(#class, #id))
            })
            .collect();
        let (content, deprecated) = (method.content, method.deprecated);
        let fields: Vec<_> = layout::fields(method)
            .iter()
            .map(|field| self.field(field))
            .collect();
        quote! {
            #method_info {
                name: #name,
                id: #method_id::new(#class_id, #id),
                direction: #direction::#sender,
                synchronous: #synchronous,
                replies: &[#(#replies),*],
                content: #content,
                deprecated: #deprecated,
                fields: &[#(#fields),*],
            }
        }
    }

    /// One line per field, by way of a helper.
    fn field(&mut self, field: &FieldView<'_>) -> TokenStream {
        let name = &field.name.spec;
        let kind = self.kind(field.wire);
        let domain = option(field.domain);
        if field.reserved {
            self.reserved = true;
            quote!(reserved(#name, #kind, #domain))
        } else {
            let default = option(field.default.as_deref());
            let helper = if field.secret {
                self.secrets = true;
                quote!(secret)
            } else {
                self.fields = true;
                quote!(field)
            };
            quote!(#helper(#name, #kind, #domain, #default))
        }
    }

    fn kind(&mut self, wire: WireType) -> TokenStream {
        let (name, _) = property(wire);
        if let Err(place) = self.kinds.binary_search(&name) {
            self.kinds.insert(place, name);
        }
        let name = ident(name);
        quote!(#name)
    }

    /// The helpers that the table calls.
    fn helpers(&mut self) -> Vec<TokenStream> {
        let mut helpers = Vec::new();
        if !self.fields && !self.reserved && !self.secrets {
            return helpers;
        }
        let field_info = self.scope.metadata("FieldInfo");
        let property_kind = self.scope.wire("PropertyKind");
        let told = [
            ("field", self.fields, false),
            ("secret", self.secrets, true),
        ];
        for (helper, _, secret) in told.into_iter().filter(|(_, used, _)| *used) {
            let helper = ident(helper);
            helpers.push(quote! {
                const fn #helper(
                    name: &'static str,
                    kind: #property_kind,
                    domain: Option<&'static str>,
                    default: Option<&'static str>,
                ) -> #field_info {
                    #field_info { name, kind, domain, reserved: false, default, secret: #secret }
                }
            });
        }
        if self.reserved {
            helpers.push(quote! {
                const fn reserved(
                    name: &'static str,
                    kind: #property_kind,
                    domain: Option<&'static str>,
                ) -> #field_info {
                    #field_info { name, kind, domain, reserved: true, default: None, secret: false }
                }
            });
        }
        helpers
    }

    /// The import that lets the table write `Table` for `PropertyKind::Table`.
    fn kinds(&self) -> TokenStream {
        import("PropertyKind", self.kinds.iter().copied())
    }
}

fn option(text: Option<&str>) -> TokenStream {
    match text {
        Some(text) => quote!(Some(#text)),
        None => quote!(None),
    }
}
