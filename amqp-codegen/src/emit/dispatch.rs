//! `method.rs`: the enum of all methods and its dispatch on the method id.

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::format::{ident, import};
use super::scope::{Scope, method_number};
use super::{Options, docs, format, layout};
use crate::model::{Class, Method, Specification};
use crate::naming;

/// One method with the variant that stands for it.
struct Variant<'m> {
    class: &'m Class,
    method: &'m Method,
    name: Ident,
    module: Ident,
    type_name: Ident,
}

impl Variant<'_> {
    /// The path of the struct, with a lifetime argument where it borrows.
    fn path(&self, lifetime: &TokenStream) -> TokenStream {
        let (module, type_name) = (&self.module, &self.type_name);
        if layout::borrows(self.method) {
            quote!(#module::#type_name<#lifetime>)
        } else {
            quote!(#module::#type_name)
        }
    }
}

/// The text of `method.rs`.
pub(super) fn file(specification: &Specification, options: &Options) -> String {
    let mut scope = Scope::new(options, []);
    let variants = variants(specification);
    // An enum none of whose variants borrows may not have a lifetime.
    let any_borrows = variants
        .iter()
        .any(|variant| layout::borrows(variant.method));
    let generics = if any_borrows {
        quote!(<'a>)
    } else {
        TokenStream::new()
    };

    let mut items = vec![
        definition(&variants, &generics),
        inherent(&variants, &generics, &mut scope),
    ];
    if !variants.is_empty() {
        items.push(arguments(&mut scope));
    }
    items.extend(
        variants
            .iter()
            .map(|variant| conversion(variant, &generics)),
    );

    let mut file = scope.imports();
    let modules = specification
        .classes
        .iter()
        .filter(|class| !class.methods.is_empty());
    let modules = import("super", modules.map(|class| &*class.name.snake));
    // One block for the modules and the runtime.
    if let Some(block) = file.last_mut() {
        block.extend(modules);
    }
    file.extend(items);
    let summary = "The closed set of all methods, and the way from an id to a typed method.";
    format::file(specification, options, &[summary.to_owned()], file)
}

/// The variant of a method.
pub(super) fn variant(class: &Class, method: &Method) -> Ident {
    ident(&naming::name(&format!("{}-{}", class.name, method.name)).camel)
}

fn variants(specification: &Specification) -> Vec<Variant<'_>> {
    let mut variants = Vec::new();
    for class in &specification.classes {
        for method in &class.methods {
            variants.push(Variant {
                class,
                method,
                name: variant(class, method),
                module: ident(&class.name.snake),
                type_name: ident(&method.name.camel),
            });
        }
    }
    variants
}

fn definition(variants: &[Variant<'_>], generics: &TokenStream) -> TokenStream {
    let docs = docs::comment(
        &[
            "Any method.",
            "Closed on purpose: a `match` that names every method is complete.",
        ],
        0,
    );
    let lines = variants.iter().map(|variant| {
        let path = format!("`{}.{}`", variant.class.name, variant.method.name);
        let text = match variant.method.docs.paragraphs.first() {
            Some(summary) => format!("{path}: {summary}"),
            None => format!("{path}."),
        };
        let docs = docs::comment(&[text], 4);
        let (name, path) = (&variant.name, variant.path(&quote!('a)));
        quote!(#docs #name(#path))
    });
    quote! {
        #docs
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub enum Method #generics { #(#lines),* }
    }
}

fn inherent(
    variants: &[Variant<'_>],
    generics: &TokenStream,
    scope: &mut Scope<'_>,
) -> TokenStream {
    let decode = decode(variants, generics, scope);
    let codec = codec(variants, scope);
    let facts = facts(variants, scope);
    quote! {
        impl #generics Method #generics {
            #decode
            #codec
            #facts
        }
    }
}

fn decode(variants: &[Variant<'_>], generics: &TokenStream, scope: &mut Scope<'_>) -> TokenStream {
    let [reader, error] = ["Reader", "DecodeError"].map(|name| scope.wire(name));
    let bytes = if generics.is_empty() {
        quote!(&[u8])
    } else {
        quote!(&'a [u8])
    };
    let docs = docs::comment(
        &[
            "Reads the payload of a method frame: class id, method id and arguments.",
            "# Errors",
            "For an unknown method, an argument that is malformed or breaks off, and octets \
             behind the last argument.",
        ],
        4,
    );
    let arms = variants.iter().map(|variant| {
        let number = method_number(variant.class, variant.method);
        let name = &variant.name;
        quote!(#number => arguments(reader).map(Self::#name),)
    });
    let arms: Vec<_> = arms.collect();
    let unknown = quote!(Err(#error::unknown_method(id.class_id(), id.method_id())));
    let lookup = if arms.is_empty() {
        unknown
    } else {
        quote! {
            match id.to_u32() {
                #(#arms)*
                _ => #unknown,
            }
        }
    };
    quote! {
        #docs
        pub fn decode(payload: #bytes) -> Result<Self, #error> {
            let mut reader = #reader::new(payload);
            let id = reader.method_id()?;
            #lookup
        }
    }
}

fn codec(variants: &[Variant<'_>], scope: &mut Scope<'_>) -> TokenStream {
    let vec = scope.vec();
    let buf = ident(if variants.is_empty() { "_buf" } else { "buf" });
    let encode_docs = docs::comment(
        &["Appends the payload of a method frame: class id, method id and arguments."],
        4,
    );
    let len_docs = docs::comment(&["The length of the payload in octets."], 4);
    let encode = each(variants, |_| quote!(method.encode(buf)), true);
    let encoded_len = each(variants, |_| quote!(method.encoded_len()), true);
    quote! {
        #encode_docs
        pub fn encode(&self, #buf: &mut #vec<u8>) {
            #encode
        }

        #len_docs
        #[must_use]
        pub fn encoded_len(&self) -> usize {
            #encoded_len
        }
    }
}

fn facts(variants: &[Variant<'_>], scope: &mut Scope<'_>) -> TokenStream {
    let method_id = scope.wire("MethodId");
    let id = |variant: &Variant<'_>| {
        let (module, type_name) = (&variant.module, &variant.type_name);
        quote!(#module::#type_name::ID)
    };
    let name = |variant: &Variant<'_>| {
        let name = format!("{}.{}", variant.class.name, variant.method.name);
        quote!(#name)
    };
    let [id_docs, name_docs, content_docs] = [
        "Class id and method id.",
        "The name in the specification, such as `class.method`.",
        "Whether a content header and a body follow.",
    ]
    .map(|text| docs::comment(&[text], 4));
    let (ids, names) = (each(variants, id, false), each(variants, name, false));
    let content: Vec<_> = variants
        .iter()
        .filter(|variant| variant.method.content)
        .map(|variant| &variant.name)
        .collect();
    let content = if content.is_empty() {
        quote!(false)
    } else {
        quote!(matches!(self, #(Self::#content(_))|*))
    };
    quote! {
        #id_docs
        #[must_use]
        pub fn id(&self) -> #method_id {
            #ids
        }

        #name_docs
        #[must_use]
        pub fn name(&self) -> &'static str {
            #names
        }

        #content_docs
        #[must_use]
        pub fn has_content(&self) -> bool {
            #content
        }
    }
}

/// A `match` with one arm per method.
fn each(
    variants: &[Variant<'_>],
    body: impl Fn(&Variant<'_>) -> TokenStream,
    binds: bool,
) -> TokenStream {
    let arms = variants.iter().map(|variant| {
        let (name, body) = (&variant.name, body(variant));
        let pattern = if binds { quote!(method) } else { quote!(_) };
        quote!(Self::#name(#pattern) => #body,)
    });
    // The compiler takes a reference for something that may exist, even to an enum without
    // variants.
    let this = if variants.is_empty() {
        quote!(*self)
    } else {
        quote!(self)
    };
    quote!(match #this { #(#arms)* })
}

/// The part of decoding that is the same for every method.
fn arguments(scope: &mut Scope<'_>) -> TokenStream {
    let [typed_method, reader, error] =
        ["TypedMethod", "Reader", "DecodeError"].map(|name| scope.wire(name));
    let docs = docs::comment(&["Reads the arguments of one method, to the end."], 0);
    quote! {
        #docs
        fn arguments<'a, M: #typed_method<'a>>(mut reader: #reader<'a>) -> Result<M, #error> {
            let method = M::decode_arguments(&mut reader)?;
            reader.finish(M::NAME)?;
            Ok(method)
        }
    }
}

fn conversion(variant: &Variant<'_>, generics: &TokenStream) -> TokenStream {
    let name = &variant.name;
    // Where neither type borrows there is no lifetime; where only the enum does, it is free.
    let (parameters, method) = if layout::borrows(variant.method) {
        (quote!(<'a>), quote!(Method<'a>))
    } else if generics.is_empty() {
        (quote!(), quote!(Method))
    } else {
        (quote!(), quote!(Method<'_>))
    };
    let path = variant.path(&quote!('a));
    quote! {
        impl #parameters From<#path> for #method {
            fn from(method: #path) -> Self {
                Self::#name(method)
            }
        }
    }
}
