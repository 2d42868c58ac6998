//! The JSON schema of the protocol, and a validator for it.

use serde_json::{Map, Value};
use std::fmt;

/// The schema (JSON Schema 2020-12) of every line of the protocol. Its `$defs` hold each type under
/// its name, so `#/$defs/Snapshot` is the schema of a snapshot.
pub const SCHEMA: &str = include_str!("../schema/director-control.json");

/// Makes [`SCHEMA`] from the types.
#[cfg(feature = "schema")]
#[must_use]
pub fn make() -> Value {
    let generator = schemars::generate::SchemaSettings::draft2020_12().into_generator();
    let schema = generator.into_root_schema_for::<crate::Line>();
    let mut value = schema.to_value();
    if let Some(object) = value.as_object_mut() {
        object.insert("title".to_owned(), "director control protocol".into());
        object.insert(
            "description".to_owned(),
            "Every line of the control protocol of the director, of either side.".into(),
        );
    }
    value
}

/// Where and how a value departs from the schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Violation {
    /// Where in the value, such as `/instances/0/state`.
    pub at: String,
    /// What is wrong there.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = if self.at.is_empty() { "/" } else { &self.at };
        write!(f, "{at}: {}", self.message)
    }
}

/// Holds a value against the definition of that name, such as `Snapshot`, in [`SCHEMA`]. Knows the
/// keywords that the schema uses; another keyword is a violation, so nothing passes unseen.
/// Properties that the schema does not name are violations too: a sender must not send what is not
/// documented.
///
/// # Errors
/// The first departure found.
pub fn validate(definition: &str, value: &Value) -> Result<(), Violation> {
    let fail = |message: String| Violation {
        at: String::new(),
        message,
    };
    let root: Value =
        serde_json::from_str(SCHEMA).map_err(|error| fail(format!("schema: {error}")))?;
    let schema = root
        .pointer(&format!("/$defs/{definition}"))
        .ok_or_else(|| fail(format!("the schema has no definition {definition}")))?;
    let mut path = Vec::new();
    Validator { root: &root }.check(schema, value, &mut path, true)
}

struct Validator<'a> {
    root: &'a Value,
}

/// Keywords that say nothing about validity.
const ANNOTATIONS: [&str; 8] = [
    "title",
    "description",
    "format",
    "default",
    "$defs",
    "$schema",
    "writeOnly",
    "examples",
];

impl<'a> Validator<'a> {
    /// `closed`: properties that are not named are refused.
    fn check(
        &self,
        schema: &'a Value,
        value: &Value,
        path: &mut Vec<String>,
        closed: bool,
    ) -> Result<(), Violation> {
        let schema = match schema {
            Value::Bool(true) => return Ok(()),
            Value::Object(schema) => schema,
            _ => return Err(fail(path, "nothing is allowed here")),
        };
        for (keyword, operand) in schema {
            match keyword.as_str() {
                "$ref" => self.check(self.resolve(operand, path)?, value, path, false)?,
                "type" => check_type(operand, value, path)?,
                "const" => {
                    if operand != value {
                        return Err(fail(path, &format!("{value} should be {operand}")));
                    }
                }
                "enum" => {
                    if !operand.as_array().is_some_and(|all| all.contains(value)) {
                        return Err(fail(path, &format!("{value} is none of {operand}")));
                    }
                }
                "minimum" | "maximum" => check_bound(keyword, operand, value, path)?,
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.descend(operand, item, path, index.to_string())?;
                    }
                }
                "properties" => {
                    for (name, part) in operand.as_object().into_iter().flatten() {
                        if let Some(found) = value.get(name) {
                            self.descend(part, found, path, name.clone())?;
                        }
                    }
                }
                "required" => {
                    for name in operand.as_array().into_iter().flatten() {
                        let name = name.as_str().unwrap_or_default();
                        if value.is_object() && value.get(name).is_none() {
                            return Err(fail(path, &format!("{name} is missing")));
                        }
                    }
                }
                "additionalProperties" => {
                    let named = schema.get("properties").and_then(Value::as_object);
                    for (name, found) in value.as_object().into_iter().flatten() {
                        if named.is_none_or(|named| !named.contains_key(name)) {
                            self.descend(operand, found, path, name.clone())?;
                        }
                    }
                }
                "oneOf" | "anyOf" => {
                    let mut first = None;
                    let mut fits = 0;
                    for option in operand.as_array().into_iter().flatten() {
                        match self.check(option, value, path, false) {
                            Ok(()) => fits += 1,
                            Err(violation) => {
                                // The option of the right tag goes deepest before it fails.
                                let deeper =
                                    |known: &Violation| known.at.len() < violation.at.len();
                                if first.as_ref().is_none_or(deeper) {
                                    first = Some(violation);
                                }
                            }
                        }
                    }
                    if fits == 0 {
                        return Err(first.unwrap_or_else(|| fail(path, "fits no option")));
                    }
                    if fits > 1 && keyword == "oneOf" {
                        return Err(fail(path, &format!("fits {fits} options of oneOf")));
                    }
                }
                "allOf" => {
                    for part in operand.as_array().into_iter().flatten() {
                        self.check(part, value, path, false)?;
                    }
                }
                known if ANNOTATIONS.contains(&known) => {}
                unknown => {
                    return Err(fail(
                        path,
                        &format!("schema keyword {unknown} is not known"),
                    ));
                }
            }
        }
        if closed && value.is_object() && !schema.contains_key("additionalProperties") {
            self.check_names(schema, value, path)?;
        }
        Ok(())
    }

    fn descend(
        &self,
        schema: &'a Value,
        value: &Value,
        path: &mut Vec<String>,
        step: String,
    ) -> Result<(), Violation> {
        path.push(step);
        let result = self.check(schema, value, path, true);
        path.pop();
        result
    }

    fn resolve(&self, reference: &Value, path: &[String]) -> Result<&'a Value, Violation> {
        let pointer = reference.as_str().and_then(|text| text.strip_prefix('#'));
        pointer
            .and_then(|pointer| self.root.pointer(pointer))
            .ok_or_else(|| fail(path, &format!("schema: {reference} leads nowhere")))
    }

    /// Every property of the value is named somewhere in the schema or in what it refers to.
    fn check_names(
        &self,
        schema: &'a Map<String, Value>,
        value: &Value,
        path: &[String],
    ) -> Result<(), Violation> {
        let mut names = std::collections::BTreeSet::new();
        let mut open = false;
        self.names(schema, &mut names, &mut open, path)?;
        if open || names.is_empty() {
            return Ok(());
        }
        for name in value
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name)
        {
            if !names.contains(name.as_str()) {
                return Err(fail(path, &format!("{name} is not in the schema")));
            }
        }
        Ok(())
    }

    fn names(
        &self,
        schema: &'a Map<String, Value>,
        names: &mut std::collections::BTreeSet<&'a str>,
        open: &mut bool,
        path: &[String],
    ) -> Result<(), Violation> {
        if schema.contains_key("additionalProperties") {
            *open = true;
        }
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            names.extend(properties.keys().map(String::as_str));
        }
        let parts = ["oneOf", "anyOf", "allOf"]
            .into_iter()
            .filter_map(|keyword| schema.get(keyword)?.as_array())
            .flatten();
        for part in parts.filter_map(Value::as_object) {
            self.names(part, names, open, path)?;
        }
        if let Some(reference) = schema.get("$ref")
            && let Some(schema) = self.resolve(reference, path)?.as_object()
        {
            self.names(schema, names, open, path)?;
        }
        Ok(())
    }
}

fn check_type(operand: &Value, value: &Value, path: &[String]) -> Result<(), Violation> {
    let is = |name: &str| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        _ => false,
    };
    let fits = match operand {
        Value::String(name) => is(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).any(is),
        _ => false,
    };
    if fits {
        Ok(())
    } else {
        Err(fail(
            path,
            &format!("{} is not of type {operand}", shortened(value)),
        ))
    }
}

fn check_bound(
    keyword: &str,
    operand: &Value,
    value: &Value,
    path: &[String],
) -> Result<(), Violation> {
    let (Some(bound), Some(number)) = (operand.as_f64(), value.as_f64()) else {
        return Ok(());
    };
    let fits = if keyword == "minimum" {
        number >= bound
    } else {
        number <= bound
    };
    if fits {
        Ok(())
    } else {
        Err(fail(
            path,
            &format!("{number} is beyond the {keyword} of {bound}"),
        ))
    }
}

fn shortened(value: &Value) -> String {
    let text = value.to_string();
    text.chars().take(80).collect()
}

fn fail(path: &[String], message: &str) -> Violation {
    let at = path.iter().fold(String::new(), |mut at, step| {
        at.push('/');
        at.push_str(step);
        at
    });
    Violation {
        at,
        message: message.to_owned(),
    }
}
