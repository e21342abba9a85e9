//! Functions on values of any type: which of some to take, what type one has.

use crate::template::compare::deep_equal;
use crate::template::function::{Function, text};
use crate::template::value::{Parameter, Value};

const ANY: Parameter = Parameter::Any;
const STRING: Parameter = Parameter::String;

/// The functions of this file. What sprig calls empty is what Go calls false: the zero of a type, or an empty container.
pub(crate) const TABLE: &[Function] = &[
    Function::variadic("default", &[ANY], ANY, |_, a| Ok(a.get(1).filter(|v| v.is_true()).unwrap_or(&a[0]).clone())),
    Function::new("empty", &[ANY], |_, a| Ok(Value::Bool(!a[0].is_true()))),
    Function::variadic("coalesce", &[], ANY, |_, a| Ok(a.iter().find(|v| v.is_true()).cloned().unwrap_or_default())),
    Function::variadic("all", &[], ANY, |_, a| Ok(Value::Bool(a.iter().all(Value::is_true)))),
    Function::variadic("any", &[], ANY, |_, a| Ok(Value::Bool(a.iter().any(Value::is_true)))),
    Function::new("ternary", &[ANY, ANY, Parameter::Bool], |_, a| Ok(a[usize::from(!a[2].is_true())].clone())),
    Function::new("typeOf", &[ANY], |context, a| context.string(a[0].type_name())),
    Function::new("kindOf", &[ANY], |context, a| context.string(a[0].kind_name())),
    Function::new("typeIs", &[STRING, ANY], |_, a| Ok(Value::Bool(text(a, 0) == a[1].type_name()))),
    Function::new("kindIs", &[STRING, ANY], |_, a| Ok(Value::Bool(text(a, 0) == a[1].kind_name()))),
    Function::new("typeIsLike", &[STRING, ANY], |_, a| {
        let (wanted, found) = (text(a, 0), a[1].type_name());
        Ok(Value::Bool(found == wanted || found.strip_prefix('*') == Some(wanted)))
    }),
    Function::new("deepEqual", &[ANY, ANY], |context, a| deep_equal(context, &a[0], &a[1]).map(Value::Bool)),
];
