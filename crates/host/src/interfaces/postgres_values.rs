//! Values and errors between `spin:postgres` and the server: the types this host offers, the others by name.

use super::bindings::spin::postgres::postgres::{
    DbDataType, DbError, DbValue, Error, ParameterValue, QueryError,
};
use bytes::BytesMut;
use std::error::Error as StdError;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

type Converted<T> = Result<T, Box<dyn StdError + Sync + Send>>;

/// A column's value.
pub(super) struct Cell(pub(super) DbValue);

impl<'a> FromSql<'a> for Cell {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Converted<Self> {
        Ok(Self(match *ty {
            Type::BOOL => DbValue::Boolean(bool::from_sql(ty, raw)?),
            Type::INT2 => DbValue::Int16(i16::from_sql(ty, raw)?),
            Type::INT4 => DbValue::Int32(i32::from_sql(ty, raw)?),
            Type::INT8 => DbValue::Int64(i64::from_sql(ty, raw)?),
            Type::FLOAT4 => DbValue::Floating32(f32::from_sql(ty, raw)?),
            Type::FLOAT8 => DbValue::Floating64(f64::from_sql(ty, raw)?),
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME => {
                DbValue::Str(String::from_sql(ty, raw)?)
            }
            Type::BYTEA => DbValue::Binary(raw.to_vec()),
            _ => DbValue::Unsupported(raw.to_vec()),
        }))
    }

    fn from_sql_null(_: &Type) -> Converted<Self> {
        Ok(Self(DbValue::DbNull))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// What a column of type `ty` is called in the interface.
pub(super) fn data_type(ty: &Type) -> DbDataType {
    match *ty {
        Type::BOOL => DbDataType::Boolean,
        Type::INT2 => DbDataType::Int16,
        Type::INT4 => DbDataType::Int32,
        Type::INT8 => DbDataType::Int64,
        Type::FLOAT4 => DbDataType::Floating32,
        Type::FLOAT8 => DbDataType::Floating64,
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME => DbDataType::Str,
        Type::BYTEA => DbDataType::Binary,
        _ => DbDataType::Other(ty.name().to_owned()),
    }
}

/// A parameter of a statement.
#[derive(Debug)]
pub(super) struct Parameter<'a>(&'a ParameterValue);

impl<'a> Parameter<'a> {
    /// # Errors
    /// The value is of a type that this host does not send.
    pub(super) fn new(value: &'a ParameterValue) -> Result<Self, Error> {
        use ParameterValue as P;
        match value {
            P::Boolean(_) | P::Int16(_) | P::Int32(_) | P::Int64(_) | P::Floating32(_) | P::Floating64(_) => {
            }
            P::Str(_) | P::Binary(_) | P::DbNull => {}
            _ => {
                let message = "this host sends booleans, 16 to 64-bit integers, floating-point numbers, texts and bytes";
                return Err(Error::BadParameter(message.to_owned()));
            }
        }
        Ok(Self(value))
    }
}

impl ToSql for Parameter<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Converted<IsNull> {
        match self.0 {
            ParameterValue::Boolean(value) => value.to_sql_checked(ty, out),
            ParameterValue::Int16(value) => value.to_sql_checked(ty, out),
            ParameterValue::Int32(value) => value.to_sql_checked(ty, out),
            ParameterValue::Int64(value) => value.to_sql_checked(ty, out),
            ParameterValue::Floating32(value) => value.to_sql_checked(ty, out),
            ParameterValue::Floating64(value) => value.to_sql_checked(ty, out),
            ParameterValue::Str(value) => value.to_sql_checked(ty, out),
            ParameterValue::Binary(value) => value.to_sql_checked(ty, out),
            // `new` lets nothing else through.
            _ => Ok(IsNull::Yes),
        }
    }

    // Each kind of value asks for itself.
    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// Why a server could not be reached or did not let the guest in.
pub(super) fn connection_failed(error: &tokio_postgres::Error) -> Error {
    Error::ConnectionFailed(reason(error))
}

/// Why a statement failed.
pub(super) fn failure(error: &tokio_postgres::Error) -> Error {
    if let Some(refusal) = error.as_db_error() {
        let extras =
            [("hint", refusal.hint()), ("table", refusal.table()), ("constraint", refusal.constraint())];
        let extras =
            extras.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
        return Error::QueryFailed(QueryError::DbError(DbError {
            as_text: refusal.to_string(),
            severity: refusal.severity().to_owned(),
            code: refusal.code().code().to_owned(),
            message: refusal.message().to_owned(),
            detail: refusal.detail().map(str::to_owned),
            extras: extras.collect(),
        }));
    }
    if error.is_closed() || error.source().is_some_and(|source| source.is::<std::io::Error>()) {
        return connection_failed(error);
    }
    Error::QueryFailed(QueryError::Text(reason(error)))
}

fn reason(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(refusal) => refusal.message().to_owned(),
        // Its own text says what it did, the source says why.
        None => error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}")),
    }
}
