//! Functions that ask for types.

use crate::template::compare::deep_equal;
use crate::template::function::{Function, text};
use crate::template::value::{Parameter, Value};

const ANY: Parameter = Parameter::Any;
const STRING: Parameter = Parameter::String;

/// The functions of this file.
pub(crate) const TABLE: &[Function] = &[
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
