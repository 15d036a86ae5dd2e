//! Expressions: CEL, checked when the flow is loaded, worked out while it runs.
//!
//! An expression sees the flow's variables, `lang`, and the fields listed in [`field_type`]: `caller.number`,
//! `call.number`, `now.hour`, `queue.NAME.waiting` and so on. Lists may stand in it (`topic in ["a", "b"]`), but
//! nothing walks over them (`all`, `map`, …), so the work is bounded by the length of the text.
//!
//! A template is text with expressions in braces: `lang:{lang}`; `{{` and `}}` stand for single braces.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, SelectExpr, SourceInfo};

use crate::clock::Wall;
use crate::diagnostic::suggestion;
use crate::journal::Hours;

mod sight;
#[cfg(test)]
mod tests;

use sight::Sight;

/// Longest expression or template, in bytes.
pub const EXPRESSION_BYTES: usize = 1_000;
/// Longest text a variable holds or a template gives, in bytes.
pub const TEXT_BYTES: usize = 1_024;

/// The kind of a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Type {
    /// Characters.
    Text,
    /// A whole number of 64 bits.
    Number,
    /// True or false.
    Bool,
}

impl Type {
    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Bool => "bool",
        }
    }

    /// The type of this word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Text, Self::Number, Self::Bool].into_iter().find(|ty| ty.as_str() == word)
    }
}

/// What a variable holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Value {
    /// Characters, at most [`TEXT_BYTES`].
    Text(String),
    /// A whole number.
    Number(i64),
    /// True or false.
    Bool(bool),
}

impl Value {
    /// Its kind.
    pub fn ty(&self) -> Type {
        match self {
            Self::Text(_) => Type::Text,
            Self::Number(_) => Type::Number,
            Self::Bool(_) => Type::Bool,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => write!(f, "{number}"),
            Self::Bool(truth) => write!(f, "{truth}"),
        }
    }
}

/// What is known of a call when its flow begins.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The caller's number: `caller.number`.
    pub caller: String,
    /// The number he dialled: `call.number`.
    pub called: String,
    /// The number that sent him on to the one he reached, empty when none did: `call.diverted_from`.
    pub diverted_from: String,
    /// The language the call begins in.
    pub language: String,
    /// Wall time at the beginning.
    pub wall: Wall,
    /// Minutes by which the centre's clock is ahead of UTC.
    pub utc_offset_minutes: i32,
}

/// What is known of a queue at this moment.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct QueueFacts {
    /// Callers who wait.
    pub waiting: u32,
    /// Agents who would be offered a caller now.
    pub agents_ready: u32,
    /// How long the first of the line has waited, in seconds.
    pub longest_wait_s: u32,
}

/// The world outside the flow, asked when an expression needs it.
pub trait World {
    /// The present state of a queue; `None` when there is none of this name (any more).
    fn queue(&self, name: &str) -> Option<QueueFacts>;

    /// What a calendar says at this moment; `None` when there is none of this name (any more).
    fn hours(&self, calendar: &str) -> Option<Hours>;
}

/// Everything an expression may look at while it is worked out.
pub struct Scene<'a> {
    /// The flow's variables.
    pub vars: &'a BTreeMap<String, Value>,
    /// The caller's language.
    pub language: &'a str,
    /// What was known at the beginning.
    pub facts: &'a Facts,
    /// Wall time now.
    pub wall: Wall,
    /// The queues.
    pub world: &'a dyn World,
}

/// The names an expression may use.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// The flow's variables.
    pub vars: &'a BTreeMap<String, Value>,
    /// The queues there are.
    pub queues: &'a BTreeSet<String>,
}

/// What is wrong with an expression.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    /// The kind of fault, without its area, e.g. `unknown-variable`.
    pub code: &'static str,
    /// Bytes of the expression's text.
    pub span: Range<usize>,
    /// One sentence.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// Turns text into expressions.
pub struct Compiler {
    env: Arc<cel::Env>,
}

/// A checked expression.
pub struct Expression {
    source: String,
    program: cel::Program,
    env: Arc<cel::Env>,
    ty: Option<Type>,
    uses: Uses,
}

/// What an expression needs of the outside.
#[derive(Debug, Default)]
struct Uses {
    queues: BTreeSet<String>,
}

/// Text with expressions in braces.
#[derive(Debug)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug)]
enum Piece {
    Text(String),
    Expression(Expression),
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.source).finish()
    }
}

/// The fields of the things an expression can name.
const FIELDS: [(&str, &[(&str, Type)]); 4] = [
    ("caller", &[("number", Type::Text)]),
    ("call", &[("number", Type::Text), ("diverted_from", Type::Text)]),
    ("now", &[("hour", Type::Number), ("minute", Type::Number), ("weekday", Type::Number), ("date", Type::Text)]),
    ("queue", &[("waiting", Type::Number), ("agents_ready", Type::Number), ("longest_wait_s", Type::Number)]),
];

/// The variable that holds the caller's language.
pub const LANGUAGE_VARIABLE: &str = "lang";

/// Names a flow may not give to its variables.
pub fn reserved_names() -> impl Iterator<Item = &'static str> {
    FIELDS.into_iter().map(|(object, _)| object).chain([LANGUAGE_VARIABLE])
}

/// The type of `object.field`; `queue` stands for any one queue. `now.weekday` is 1 for Monday to 7 for Sunday,
/// `now.date` is `2026-11-22`, both by the centre's clock.
pub fn field_type(object: &str, field: &str) -> Option<Type> {
    let fields = FIELDS.into_iter().find(|(name, _)| *name == object)?.1;
    fields.iter().find(|(name, _)| *name == field).map(|(_, ty)| *ty)
}

impl Default for Compiler {
    fn default() -> Self {
        Self { env: Arc::new(cel::Env::stdlib()) }
    }
}

impl Compiler {
    /// Compiles and checks one expression.
    ///
    /// # Errors
    ///
    /// All faults found, at least one, each with its place in `source`.
    pub fn expression(&self, source: &str, names: Names<'_>) -> Result<Expression, Vec<Fault>> {
        let whole =
            |code, message: &str| vec![Fault { code, span: 0..source.len(), message: message.to_owned(), help: None }];
        if source.len() > EXPRESSION_BYTES {
            return Err(whole("too-large", "the expression is longer than 1000 bytes"));
        }
        if source.trim().is_empty() {
            return Err(whole("expression", "the expression is empty"));
        }
        // The parser is not ours and reads what people type: a panic in it is a fault of the text, not of the engine.
        let parsed = catch_unwind(AssertUnwindSafe(|| self.env.compile(source)));
        let program = match parsed {
            Ok(Ok(program)) => program,
            Ok(Err(errors)) => {
                return Err(errors.errors.iter().take(3).map(|error| syntax_fault(source, error)).collect());
            }
            Err(_) => return Err(whole("expression", "the expression cannot be read")),
        };
        let mut checker =
            Checker { info: program.source_info(), source, names, uses: Uses::default(), faults: Vec::new() };
        let ty = checker.check(program.expression());
        let Checker { uses, faults, .. } = checker;
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Expression { source: source.to_owned(), program, env: Arc::clone(&self.env), ty, uses })
    }

    /// Compiles and checks a template.
    ///
    /// # Errors
    ///
    /// All faults found, at least one, each with its place in `source`.
    pub fn template(&self, source: &str, names: Names<'_>) -> Result<Template, Vec<Fault>> {
        let mut pieces = Vec::new();
        let mut text = String::new();
        let mut rest = source;
        let fault = |at: usize, message: &str, help: &str| {
            vec![Fault { code: "template", span: at..at + 1, message: message.to_owned(), help: Some(help.to_owned()) }]
        };
        while let Some(brace) = rest.find(['{', '}']) {
            let (before, from_brace) = rest.split_at(brace);
            text.push_str(before);
            let at = source.len() - from_brace.len();
            if let Some(after) = from_brace.strip_prefix("{{").or_else(|| from_brace.strip_prefix("}}")) {
                text.extend(from_brace.chars().next());
                rest = after;
                continue;
            }
            let Some(inside) = from_brace.strip_prefix('{') else {
                return Err(fault(at, "this brace closes nothing", "write \"}}\" for a brace in the text"));
            };
            let Some((expression, after)) = inside.split_once('}') else {
                return Err(fault(at, "this brace is never closed", "write \"{{\" for a brace in the text"));
            };
            let shift = |fault: Fault| Fault { span: fault.span.start + at + 1..fault.span.end + at + 1, ..fault };
            let expression = self
                .expression(expression, names)
                .map_err(|faults| faults.into_iter().map(shift).collect::<Vec<_>>())?;
            if !text.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
            }
            pieces.push(Piece::Expression(expression));
            rest = after;
        }
        text.push_str(rest);
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        Ok(Template { pieces })
    }
}

impl Expression {
    /// The text it was read from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The kind of its result, when that is certain.
    pub fn ty(&self) -> Option<Type> {
        self.ty
    }

    /// Its value when it is nothing but a literal: then it cannot fail.
    pub fn literal(&self) -> Option<Value> {
        match &self.program.expression().expr {
            Expr::Literal(LiteralValue::String(text)) => Some(Value::Text(text.inner().to_owned())),
            Expr::Literal(LiteralValue::Int(number)) => Some(Value::Number(*number.inner())),
            Expr::Literal(LiteralValue::Boolean(truth)) => Some(Value::Bool(*truth.inner())),
            _ => None,
        }
    }

    /// Works it out.
    ///
    /// # Errors
    ///
    /// Why there is no value: a division by zero, a number too large, a text that is no number, a text longer than
    /// [`TEXT_BYTES`], a queue that is gone. The sentence holds no values, since they may be secret.
    pub fn evaluate(&self, scene: &Scene<'_>) -> Result<Value, String> {
        let sight = Sight::new(scene, &self.uses)?;
        let mut context = cel::Context::with_env(Arc::clone(&self.env));
        context.set_variable_resolver(&sight);
        // As above: a panic in the evaluator costs this expression, not the engine.
        let result = catch_unwind(AssertUnwindSafe(|| self.program.execute(&context)));
        let cannot = |why: &str| Err(format!("expression `{}`: {why}", self.source));
        match result {
            Ok(Ok(cel::Value::String(text))) if text.len() > TEXT_BYTES => cannot("the text is longer than 1024 bytes"),
            Ok(Ok(cel::Value::String(text))) => Ok(Value::Text(text.as_str().to_owned())),
            Ok(Ok(cel::Value::Int(number))) => Ok(Value::Number(number)),
            Ok(Ok(cel::Value::Bool(truth))) => Ok(Value::Bool(truth)),
            Ok(Ok(_)) => cannot("the result is neither text nor a whole number nor true or false"),
            Ok(Err(error)) => cannot(execution_reason(&error)),
            Err(_) => cannot("it cannot be worked out"),
        }
    }
}

impl Template {
    /// As [`Template::fill`], for a path: what expressions give is percent-encoded (RFC 3986 §2.1), so that it stays one
    /// segment or value whatever it holds.
    ///
    /// # Errors
    ///
    /// As [`Template::fill`].
    pub fn fill_encoded(&self, scene: &Scene<'_>) -> Result<String, String> {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(part) => text.push_str(part),
                Piece::Expression(expression) => {
                    for byte in expression.evaluate(scene)?.to_string().bytes() {
                        match byte {
                            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                                text.push(char::from(byte));
                            }
                            other => text.push_str(&format!("%{other:02X}")),
                        }
                    }
                }
            }
        }
        if text.len() > TEXT_BYTES { Err("a path is longer than 1024 bytes".to_owned()) } else { Ok(text) }
    }

    /// True when it holds no expression: then it cannot fail.
    pub fn is_constant(&self) -> bool {
        self.pieces.iter().all(|piece| matches!(piece, Piece::Text(_)))
    }

    /// True when it gives the empty text whatever happens.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The text with every expression worked out.
    ///
    /// # Errors
    ///
    /// See [`Expression::evaluate`]; also when the whole is longer than [`TEXT_BYTES`].
    pub fn fill(&self, scene: &Scene<'_>) -> Result<String, String> {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(part) => text.push_str(part),
                Piece::Expression(expression) => text.push_str(&expression.evaluate(scene)?.to_string()),
            }
        }
        if text.len() > TEXT_BYTES { Err("a text is longer than 1024 bytes".to_owned()) } else { Ok(text) }
    }
}

/// Walks an expression: names, fields, functions and, as far as they are certain, types.
struct Checker<'a> {
    info: &'a SourceInfo,
    source: &'a str,
    names: Names<'a>,
    uses: Uses,
    faults: Vec<Fault>,
}

impl Checker<'_> {
    fn fault(&mut self, code: &'static str, span: Range<usize>, message: String, help: Option<String>) -> Option<Type> {
        self.faults.push(Fault { code, span, message, help });
        None
    }

    /// Where a node of the tree is written: a name, a literal, the operator or the dot.
    fn span(&self, id: u64) -> Range<usize> {
        match self.info.offset_for(id) {
            Some((start, stop)) => start as usize..(stop as usize).saturating_add(1),
            None => 0..self.source.len(),
        }
    }

    fn check(&mut self, node: &IdedExpr) -> Option<Type> {
        match &node.expr {
            Expr::Literal(LiteralValue::String(_)) => Some(Type::Text),
            Expr::Literal(LiteralValue::Int(_)) => Some(Type::Number),
            Expr::Literal(LiteralValue::Boolean(_)) => Some(Type::Bool),
            Expr::Literal(_) | Expr::Unspecified => None,
            Expr::Ident(name) => self.check_name(node.id, name),
            Expr::Select(select) => self.check_select(node.id, select),
            Expr::Call(call) => self.check_call(node.id, call),
            Expr::List(list) => {
                for element in &list.elements {
                    self.check(element);
                }
                None
            }
            Expr::Comprehension(_) => {
                let message = "flows do not walk over lists (all, exists, map, filter)".to_owned();
                self.fault("not-built", self.span(node.id), message, Some("compare with `in [ … ]`".to_owned()))
            }
            Expr::Map(_) | Expr::Struct(_) => {
                self.fault("not-built", self.span(node.id), "flows have no maps".to_owned(), None)
            }
        }
    }

    fn check_name(&mut self, id: u64, name: &str) -> Option<Type> {
        if let Some(value) = self.names.vars.get(name) {
            return Some(value.ty());
        }
        if name == LANGUAGE_VARIABLE {
            return Some(Type::Text);
        }
        let span = self.span(id);
        if let Some((object, fields)) = FIELDS.into_iter().find(|(object, _)| *object == name) {
            let example = if object == "queue" { "queue.NAME" } else { object };
            let list: Vec<String> = fields.iter().map(|(field, _)| format!("{example}.{field}")).collect();
            let message = format!("\"{object}\" has fields and is no value itself");
            return self.fault("unknown-field", span, message, Some(format!("possible: {}", list.join(", "))));
        }
        let known = self.names.vars.keys().cloned().chain(reserved_names().map(str::to_owned));
        let help = suggestion(name, known).unwrap_or_else(|| "declare it under [vars]".to_owned());
        self.fault("unknown-variable", span, format!("no variable \"{name}\""), Some(help))
    }

    fn check_select(&mut self, id: u64, select: &SelectExpr) -> Option<Type> {
        let dot = self.span(id).start;
        let field_span = dot + 1..dot + 1 + select.field.len();
        let object = match &select.operand.expr {
            Expr::Ident(name) if name == "queue" => return self.check_name(select.operand.id, name),
            Expr::Ident(name) => FIELDS.into_iter().find(|(object, _)| object == name).map(|(object, _)| object),
            _ => match queue_name(&select.operand) {
                Some((name, name_span)) => {
                    self.check_queue(&name, self.queue_span(name_span, &name));
                    Some("queue")
                }
                None => None,
            },
        };
        let Some(object) = object else {
            self.check(&select.operand);
            let message = format!("there is no field \"{}\" here", select.field);
            return self.fault("unknown-field", field_span, message, None);
        };
        let ty = field_type(object, &select.field);
        if ty.is_none() {
            let fields = FIELDS.into_iter().find(|(name, _)| *name == object).map_or(&[][..], |(_, fields)| fields);
            let fields: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
            let help = suggestion(&select.field, &fields).unwrap_or_else(|| format!("possible: {}", fields.join(", ")));
            return self.fault(
                "unknown-field",
                field_span,
                format!("no field \"{}\" in {object}", select.field),
                Some(help),
            );
        }
        if select.test { Some(Type::Bool) } else { ty }
    }

    fn queue_span(&self, id: u64, name: &str) -> Range<usize> {
        let at = self.span(id).start;
        // The place is the dot or the bracket before the name.
        let from = self.source.get(at..).and_then(|rest| rest.find(name)).map_or(at, |skip| at + skip);
        from..from + name.len()
    }

    fn check_queue(&mut self, name: &str, span: Range<usize>) {
        self.uses.queues.insert(name.to_owned());
        if !self.names.queues.contains(name) {
            let help = suggestion(name, self.names.queues);
            self.fault("unknown-queue", span, format!("no queue \"{name}\""), help);
        }
    }

    fn check_call(&mut self, id: u64, call: &CallExpr) -> Option<Type> {
        let mut types = Vec::new();
        for operand in call.target.as_deref().into_iter().chain(&call.args) {
            types.push(self.check(operand));
        }
        let known: Vec<Type> = types.iter().copied().flatten().collect();
        let same = |known: &[Type]| known.windows(2).all(|pair| matches!(pair, [a, b] if a == b));
        let all = |ty: Type| known.iter().all(|k| *k == ty);
        let (fits, result) = match (call.func_name.as_str(), types.len()) {
            ("_&&_" | "_||_" | "!_", _) => (all(Type::Bool), Some(Type::Bool)),
            ("_==_" | "_!=_" | "_<_" | "_<=_" | "_>_" | "_>=_", 2) => (same(&known), Some(Type::Bool)),
            ("_+_", 2) => (same(&known) && !known.contains(&Type::Bool), known.first().copied()),
            ("_-_" | "_*_" | "_/_" | "_%_", 2) | ("-_", 1) => {
                (all(Type::Number), if known.len() == types.len() { Some(Type::Number) } else { None })
            }
            ("_?_:_", 3) => {
                let (condition, branches) = types.split_first().unwrap_or((&None, &[]));
                let result = if let [Some(a), Some(b)] = branches
                    && a == b
                {
                    Some(*a)
                } else {
                    None
                };
                (condition.is_none_or(|ty| ty == Type::Bool), result)
            }
            ("@in", 2) => (true, Some(Type::Bool)),
            ("contains" | "startsWith" | "endsWith", 2) if call.target.is_some() => (all(Type::Text), Some(Type::Bool)),
            ("size", 1) => (all(Type::Text), Some(Type::Number)),
            ("int", 1) => (!known.contains(&Type::Bool), Some(Type::Number)),
            ("string", 1) => (true, Some(Type::Text)),
            ("bool", 1) => (!known.contains(&Type::Number), Some(Type::Bool)),
            ("double", 1) => (!known.contains(&Type::Bool), None),
            (name, _) => return self.unknown_function(id, name),
        };
        if !fits {
            let types: Vec<&str> = known.iter().map(|ty| ty.as_str()).collect();
            let message = format!("`{}` does not work on {}", operator_sign(&call.func_name), types.join(" and "));
            return self.fault("expression-type", self.span(id), message, None);
        }
        result
    }

    fn unknown_function(&mut self, id: u64, name: &str) -> Option<Type> {
        const FUNCTIONS: [&str; 8] = ["size", "contains", "startsWith", "endsWith", "int", "string", "bool", "double"];
        let span = self.span(id);
        // The place of a call is its bracket; the name is written before it.
        let start = self.source.get(..span.start).and_then(|before| before.rfind(name)).unwrap_or(span.start);
        let span = if start < span.start { start..start + name.len() } else { span };
        let help = suggestion(name, FUNCTIONS).unwrap_or_else(|| format!("possible: {}", FUNCTIONS.join(", ")));
        let name = operator_sign(name);
        self.fault("unknown-function", span, format!("no function `{name}` for these values"), Some(help))
    }
}

/// `NAME` and the place of `queue.NAME` or `queue["NAME"]`.
fn queue_name(node: &IdedExpr) -> Option<(String, u64)> {
    let is_queue = |node: &IdedExpr| matches!(&node.expr, Expr::Ident(name) if name == "queue");
    match &node.expr {
        Expr::Select(select) if is_queue(&select.operand) => Some((select.field.clone(), node.id)),
        Expr::Call(call) if call.func_name == "_[_]" => match call.args.as_slice() {
            [object, IdedExpr { expr: Expr::Literal(LiteralValue::String(name)), .. }] if is_queue(object) => {
                Some((name.inner().to_owned(), node.id))
            }
            _ => None,
        },
        _ => None,
    }
}

fn operator_sign(name: &str) -> &str {
    match name {
        "_?_:_" => "? :",
        "@in" => "in",
        "_[_]" => "[ ]",
        name => name.trim_matches('_'),
    }
}

fn syntax_fault(source: &str, error: &cel::ParseError) -> Fault {
    let column = usize::try_from(error.pos.1).unwrap_or(1).saturating_sub(1);
    let line = usize::try_from(error.pos.0).unwrap_or(1).saturating_sub(1);
    let line_start: usize = source.split_inclusive('\n').take(line).map(str::len).sum();
    let in_line = source.get(line_start..).unwrap_or_default();
    let at = line_start + in_line.char_indices().nth(column).map_or(in_line.len(), |(at, _)| at);
    let message = error.msg.lines().next().unwrap_or_default().replace("Syntax error: ", "");
    let message: String = message.chars().take(120).collect();
    Fault { code: "expression", span: at..at + 1, message: format!("not an expression: {message}"), help: None }
}

/// Why there is no value, without the values themselves.
fn execution_reason(error: &cel::ExecutionError) -> &'static str {
    use cel::ExecutionError as E;
    match error {
        E::DivisionByZero(_) | E::RemainderByZero(_) => "division by zero",
        E::Overflow(..) => "the number is too large",
        E::FunctionError { .. } => "a function failed",
        E::NoSuchOverload(_) | E::ValuesNotComparable(..) | E::UnexpectedType { .. } => "the types do not fit",
        E::NoSuchKey(_) | E::IndexOutOfBounds(_) => "nothing there",
        _ => "it cannot be worked out",
    }
}
