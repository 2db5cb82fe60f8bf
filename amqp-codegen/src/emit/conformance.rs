//! `conformance.rs`: the bridge from the arguments of a test vector to typed methods, and back.
//!
//! It lets one hand-written test drive every generated struct in both directions. What a test
//! vector's arguments are (`Fields`) is hand-written beside it.

use proc_macro2::TokenStream;
use quote::quote;

use super::dispatch::variant;
use super::format::{decimal, ident, import, path};
use super::layout::{self, FieldView};
use super::scope::{ClassTypes, fresh, property};
use super::{Options, docs, format};
use crate::model::{Class, Method, Specification, WireType};

/// The text of `conformance.rs`.
pub(super) fn file(specification: &Specification, options: &Options) -> String {
    let items = vec![
        imports(specification, options),
        quote!(
            use crate::support::Fields;
        ),
        encode(specification, options),
        to_frame(specification, options),
        decode(specification),
        encode_properties(specification, options),
        decode_properties(specification, options),
    ];
    let summary = "From the arguments of a test vector to typed methods, and back.";
    format::file(specification, options, &[summary.to_owned()], items)
}

/// The runtime as a test sees it, which is never part of the crate that it tests.
fn imports(specification: &Specification, options: &Options) -> TokenStream {
    let runtime = match &*options.runtime {
        "crate" => "amqp_spec",
        runtime => runtime,
    };
    let (modules, method) = (&options.modules, path(&options.method));
    let classes = specification
        .classes
        .iter()
        .filter(|class| !class.methods.is_empty() || !class.properties.is_empty())
        .map(|class| {
            let (name, local) = (&class.name.snake, module(class, options));
            if *name == local {
                local
            } else {
                format!("{name} as {local}")
            }
        });
    let classes: Vec<_> = classes.collect();
    let classes = import(modules, classes.iter().map(|class| &**class));
    let mut wire = vec!["DecodeError"];
    if each_method(specification).next().is_some() {
        wire.push("TypedMethod as _");
    }
    let wire = import(&format!("{runtime}::wire"), wire);
    quote! {
        use #method;
        #classes
        #wire
    }
}

/// The module of a class as this file calls it: not as a crate that the file's paths begin with.
fn module(class: &Class, options: &Options) -> String {
    let paths = [&options.modules, &options.method];
    let roots = paths.iter().filter_map(|path| path.split("::").next());
    fresh(&class.name.snake, &roots.map(str::to_owned).collect())
}

/// The functions of `Fields` for a wire type: one reads, one pushes.
fn fields_functions(wire: WireType) -> (TokenStream, TokenStream) {
    let name = if wire == WireType::Bit {
        "bit"
    } else {
        property(wire).1
    };
    (path(name), path(&format!("push_{name}")))
}

fn borrows(wire: WireType) -> bool {
    matches!(
        wire,
        WireType::ShortStr | WireType::LongStr | WireType::Table
    )
}

/// The expression that reads a field.
fn read(field: &FieldView<'_>) -> TokenStream {
    let name = &field.name.spec;
    let (read, _) = fields_functions(field.wire);
    let borrow = borrows(field.wire).then(|| quote!(.as_ref()));
    quote!(fields.#read(#name) #borrow)
}

fn encode(specification: &Specification, options: &Options) -> TokenStream {
    let docs = docs::comment(
        &[
            "Encodes a method by its name; `None` if there is none of that name.",
            "The result is the payload of a method frame: ids and arguments.",
        ],
        0,
    );
    let arms = each_method(specification).map(|(class, method)| {
        let (name, value) = (full_name(class, method), literal(class, method, options));
        quote!(#name => #value.encode(&mut buf),)
    });
    let arms: Vec<_> = arms.collect();
    let any_field = each_method(specification).any(|(_, method)| !layout::is_constant(method));
    let fields = unless(any_field, "fields");
    if arms.is_empty() {
        return quote! {
            #docs
            pub(crate) fn encode(_name: &str, #fields: &Fields) -> Option<Vec<u8>> {
                None
            }
        };
    }
    quote! {
        #docs
        pub(crate) fn encode(name: &str, #fields: &Fields) -> Option<Vec<u8>> {
            let mut buf = Vec::new();
            match name {
                #(#arms)*
                _ => return None,
            }
            Some(buf)
        }
    }
}

/// The expression that builds the struct of a method.
fn literal(class: &Class, method: &Method, options: &Options) -> TokenStream {
    let (module, type_name) = (ident(&module(class, options)), ident(&method.name.camel));
    let fields = layout::fields(method);
    let live: Vec<_> = fields.iter().filter(|field| !field.reserved).collect();
    let names = live.iter().map(|field| ident(&field.name.snake));
    let values = live.iter().map(|field| read(field));
    quote!(#module::#type_name { #(#names: #values),* })
}

fn each_method(specification: &Specification) -> impl Iterator<Item = (&Class, &Method)> {
    let classes = specification.classes.iter();
    classes.flat_map(|class| class.methods.iter().map(move |method| (class, method)))
}

fn full_name(class: &Class, method: &Method) -> String {
    format!("{}.{}", class.name, method.name)
}

fn to_frame(specification: &Specification, options: &Options) -> TokenStream {
    let docs = docs::comment(
        &["Makes the frame of a method of fixed size; `None` if it is not of fixed size."],
        0,
    );
    let fixed: Vec<_> = each_method(specification)
        .filter(|(_, method)| layout::fixed_size(method).is_some())
        .collect();
    let arms: Vec<_> = fixed
        .iter()
        .map(|(class, method)| {
            let (name, value) = (full_name(class, method), literal(class, method, options));
            quote!(#name => Some(#value.to_frame(channel).to_vec()),)
        })
        .collect();
    let any_field = fixed.iter().any(|(_, method)| !layout::is_constant(method));
    let fields = unless(any_field, "fields");
    let name = unless(!arms.is_empty(), "name");
    let channel = unless(!arms.is_empty(), "channel");
    let body = lookup(&quote!(name), &arms);
    quote! {
        #docs
        pub(crate) fn to_frame(#name: &str, #channel: u16, #fields: &Fields) -> Option<Vec<u8>> {
            #body
        }
    }
}

fn decode(specification: &Specification) -> TokenStream {
    let docs = docs::comment(
        &[
            "Decodes the payload of a method frame into the method's name and its arguments, \
            without the reserved ones.",
        ],
        0,
    );
    let mut arms = Vec::new();
    let mut any_field = false;
    for (class, method) in each_method(specification) {
        let variant = variant(class, method);
        let fields = layout::fields(method);
        let pushes = fields.iter().filter(|field| !field.reserved).map(|field| {
            let (name, member) = (&field.name.spec, ident(&field.name.snake));
            let (_, push) = fields_functions(field.wire);
            quote!(fields.#push(#name, method.#member);)
        });
        let pushes: Vec<_> = pushes.collect();
        any_field |= !pushes.is_empty();
        arms.push(match &*pushes {
            [] => quote!(Method::#variant(_) => {}),
            pushes => quote!(Method::#variant(method) => { #(#pushes)* }),
        });
    }
    let mutable = any_field.then(|| quote!(mut));
    let body = if arms.is_empty() {
        quote!(Method::decode(payload).map(|method| match method {}))
    } else {
        quote! {
            let method = Method::decode(payload)?;
            let #mutable fields = Fields::default();
            match method {
                #(#arms)*
            }
            Ok((method.name().to_owned(), fields))
        }
    };
    quote! {
        #docs
        pub(crate) fn decode(payload: &[u8]) -> Result<(String, Fields), DecodeError> {
            #body
        }
    }
}

fn with_properties(specification: &Specification) -> impl Iterator<Item = &Class> {
    specification
        .classes
        .iter()
        .filter(|class| !class.properties.is_empty())
}

/// The name of an argument, with an underscore in front if the function does not use it.
fn unless(used: bool, name: &str) -> TokenStream {
    path(&if used {
        name.to_owned()
    } else {
        format!("_{name}")
    })
}

fn encode_properties(specification: &Specification, options: &Options) -> TokenStream {
    let docs = docs::comment(
        &["Encodes the properties of a class by its id; `None` if that class has none."],
        0,
    );
    let mut any_field = false;
    let mut arms = Vec::new();
    for class in with_properties(specification) {
        let types = ClassTypes::new(class);
        let (module, owned) = (ident(&module(class, options)), ident(&types.properties));
        let id = decimal(class.id);
        let live = super::properties::accessors(class);
        let sets: Vec<_> = live
            .iter()
            .map(|accessor| {
                let value = read(&accessor.property.into());
                let (name, set) = (&accessor.property.name.spec, &accessor.name);
                quote! {
                    if fields.contains(#name) {
                        properties = properties.#set(#value);
                    }
                }
            })
            .collect();
        any_field |= !sets.is_empty();
        let mutable = (!sets.is_empty()).then(|| quote!(mut));
        arms.push(quote! {
            #id => {
                let #mutable properties = #module::#owned::new();
                #(#sets)*
                Some(properties.as_bytes().to_vec())
            }
        });
    }
    let fields = unless(any_field, "fields");
    let class_id = unless(!arms.is_empty(), "class_id");
    let body = lookup(&quote!(class_id), &arms);
    quote! {
        #docs
        pub(crate) fn encode_properties(#class_id: u16, #fields: &Fields) -> Option<Vec<u8>> {
            #body
        }
    }
}

fn decode_properties(specification: &Specification, options: &Options) -> TokenStream {
    let docs = docs::comment(
        &["Decodes the properties of a class by its id; `None` if that class has none."],
        0,
    );
    let mut arms = Vec::new();
    for class in with_properties(specification) {
        let types = ClassTypes::new(class);
        let (module, borrowed) = (ident(&module(class, options)), ident(&types.properties_ref));
        let id = decimal(class.id);
        let live = super::properties::accessors(class);
        let pushes = live.iter().map(|accessor| {
            let (name, get) = (&accessor.property.name.spec, &accessor.name);
            let (_, push) = fields_functions(accessor.property.wire);
            if accessor.property.wire == WireType::Bit {
                return quote! {
                    if properties.#get() {
                        fields.#push(#name, true);
                    }
                };
            }
            quote! {
                if let Some(value) = properties.#get() {
                    fields.#push(#name, value);
                }
            }
        });
        let mutable = (!live.is_empty()).then(|| quote!(mut));
        let properties = unless(!live.is_empty(), "properties");
        arms.push(quote! {
            #id => Some(#module::#borrowed::decode(bytes).map(|#properties| {
                let #mutable fields = Fields::default();
                #(#pushes)*
                fields
            })),
        });
    }
    let class_id = unless(!arms.is_empty(), "class_id");
    let bytes = unless(!arms.is_empty(), "bytes");
    let body = lookup(&quote!(class_id), &arms);
    quote! {
        #docs
        pub(crate) fn decode_properties(
            #class_id: u16,
            #bytes: &[u8],
        ) -> Option<Result<Fields, DecodeError>> {
            #body
        }
    }
}

fn lookup(key: &TokenStream, arms: &[TokenStream]) -> TokenStream {
    if arms.is_empty() {
        return quote!(None);
    }
    quote! {
        match #key {
            #(#arms)*
            _ => None,
        }
    }
}
