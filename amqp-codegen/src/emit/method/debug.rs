//! `Debug` for methods that carry a credential; for all others it is derived.

use proc_macro2::TokenStream;
use quote::quote;

use crate::emit::docs::SECRET;
use crate::emit::format::ident;
use crate::emit::layout;
use crate::emit::scope::{Scope, method_type};
use crate::model::Method;

/// Whether `Debug` is written out, because deriving it would show a credential.
pub(super) fn is_written(method: &Method) -> bool {
    layout::fields(method).iter().any(|field| field.secret)
}

/// What deriving would make, but for the secrets; nothing where it is derived.
pub(super) fn implementation(method: &Method, scope: &mut Scope<'_>) -> TokenStream {
    if !is_written(method) {
        return TokenStream::new();
    }
    let fmt = scope.fmt();
    let (name, title) = (method_type(method, "_"), &method.name.camel);
    let fields = layout::fields(method);
    let fields = fields.iter().filter(|field| !field.reserved).map(|field| {
        let text = &field.name.snake;
        if field.secret {
            quote!(.field(#text, &format_args!(#SECRET)))
        } else {
            let name = ident(text);
            quote!(.field(#text, &self.#name))
        }
    });
    quote! {
        impl #fmt::Debug for #name {
            fn fmt(&self, f: &mut #fmt::Formatter<'_>) -> #fmt::Result {
                f.debug_struct(#title) #(#fields)* .finish()
            }
        }
    }
}
