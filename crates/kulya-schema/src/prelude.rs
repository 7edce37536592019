//! The names that most programs with schemas use, for `use kulya_schema::prelude::*`.

pub use crate::compatibility::{Reason, Refusal};
pub use crate::protobuf::Safety;
pub use crate::{
    CheckError, CodecType, Compatibility, EncodingId, Format, GroupId, GroupProperties, Rules, SchemaInfo,
    SchemaWithVersion, StrictRules, UnknownPolicy, VersionInfo, VersionScope, check,
};
