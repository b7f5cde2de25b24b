//! Whether constraints fit what a tool says of its arguments.
//!
//! Law: a member that does not fit a type is never judged by a value of it.

use crate::tree::Member;
use crate::values::Type;

/// Whether a member may speak of a text of the type.
pub fn fits(member: &Member, type_: Type) -> bool {
    match member {
        Member::Subpath(_) => type_ == Type::Path,
        Member::Cidr(_) => type_ == Type::Address,
        Member::Host(_) => type_ == Type::Host,
        Member::Url(_) => type_ == Type::Url,
        Member::Glob(_) => type_ != Type::Url,
        Member::Bound(bound) => type_ == if bound.is_date { Type::Date } else { Type::Decimal },
        _ => true,
    }
}
