//! Values on their way into statements and out of rows.

use jiff::Timestamp;

use crate::Error;

/// One column's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Absent.
    Null,
    /// 64-bit integer; also booleans (0, 1) and times (microseconds UTC).
    Integer(i64),
    /// Double precision number.
    Real(f64),
    /// UTF-8 text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<&String> for Value {
    fn from(value: &String) -> Self {
        Self::Text(value.clone())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Integer(i64::from(value))
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Blob(value)
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Blob(value.to_vec())
    }
}

impl From<Timestamp> for Value {
    fn from(value: Timestamp) -> Self {
        Self::Integer(value.as_microsecond())
    }
}

impl<T> From<Option<T>> for Value
where
    Value: From<T>,
{
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// One row, read column by column in the order of the statement's result.
#[derive(Debug)]
pub struct Row {
    values: std::vec::IntoIter<Value>,
    column: usize,
}

impl Row {
    /// A row of these columns.
    pub fn new(values: Vec<Value>) -> Self {
        Self { values: values.into_iter(), column: 0 }
    }

    fn value(&mut self) -> Result<Value, Error> {
        self.column += 1;
        self.values
            .next()
            .ok_or_else(|| Error::Corrupt(format!("a row has fewer than {} columns", self.column)))
    }

    // Only the kind of a bad value is told: values may be documents' labels.
    fn unexpected(&self, wanted: &str, found: &Value) -> Error {
        let found = match found {
            Value::Null => "nothing",
            Value::Integer(_) => "an integer",
            Value::Real(_) => "a number",
            Value::Text(_) => "a text",
            Value::Blob(_) => "bytes",
        };
        Error::Corrupt(format!("column {} holds {found}, expected {wanted}", self.column))
    }

    /// The next column as text.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when it holds something else; so for all methods here.
    pub fn text(&mut self) -> Result<String, Error> {
        match self.value()? {
            Value::Text(text) => Ok(text),
            other => Err(self.unexpected("a text", &other)),
        }
    }

    /// The next column as text that may be absent.
    ///
    /// # Errors
    /// See [`Row::text`].
    pub fn optional_text(&mut self) -> Result<Option<String>, Error> {
        match self.value()? {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text)),
            other => Err(self.unexpected("a text or nothing", &other)),
        }
    }

    /// The next column as an integer.
    ///
    /// # Errors
    /// See [`Row::text`].
    pub fn integer(&mut self) -> Result<i64, Error> {
        match self.value()? {
            Value::Integer(number) => Ok(number),
            other => Err(self.unexpected("an integer", &other)),
        }
    }

    /// The next column as an integer that may be absent.
    ///
    /// # Errors
    /// See [`Row::text`].
    pub fn optional_integer(&mut self) -> Result<Option<i64>, Error> {
        match self.value()? {
            Value::Null => Ok(None),
            Value::Integer(number) => Ok(Some(number)),
            other => Err(self.unexpected("an integer or nothing", &other)),
        }
    }

    /// The next column as a count.
    ///
    /// # Errors
    /// See [`Row::text`].
    pub fn count(&mut self) -> Result<u64, Error> {
        let number = self.integer()?;
        u64::try_from(number)
            .map_err(|_| Error::Corrupt(format!("column {} holds a negative count", self.column)))
    }

    /// The next column as a truth value.
    ///
    /// # Errors
    /// See [`Row::text`].
    pub fn boolean(&mut self) -> Result<bool, Error> {
        Ok(self.integer()? != 0)
    }

    /// The next column as a number that may be absent.
    ///
    /// # Errors
    /// See [`Row::text`].
    pub fn optional_real(&mut self) -> Result<Option<f64>, Error> {
        match self.value()? {
            Value::Null => Ok(None),
            Value::Real(number) => Ok(Some(number)),
            other => Err(self.unexpected("a number or nothing", &other)),
        }
    }

    /// The next column as bytes.
    ///
    /// # Errors
    /// See [`Row::text`].
    pub fn blob(&mut self) -> Result<Vec<u8>, Error> {
        match self.value()? {
            Value::Blob(bytes) => Ok(bytes),
            other => Err(self.unexpected("bytes", &other)),
        }
    }

    /// The next column as a time.
    ///
    /// # Errors
    /// See [`Row::text`].
    pub fn time(&mut self) -> Result<Timestamp, Error> {
        let micros = self.integer()?;
        self.to_time(micros)
    }

    /// The next column as a time that may be absent.
    ///
    /// # Errors
    /// See [`Row::text`].
    pub fn optional_time(&mut self) -> Result<Option<Timestamp>, Error> {
        self.optional_integer()?.map(|micros| self.to_time(micros)).transpose()
    }

    fn to_time(&self, micros: i64) -> Result<Timestamp, Error> {
        Timestamp::from_microsecond(micros)
            .map_err(|_| Error::Corrupt(format!("column {} holds a time out of range", self.column)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_columns_in_order_and_names_the_bad_one() {
        let mut row = Row::new(vec!["a".into(), Value::Null, 7_i64.into(), "secret".into()]);
        assert_eq!(row.text(), Ok("a".to_owned()));
        assert_eq!(row.optional_time(), Ok(None));
        assert_eq!(row.integer(), Ok(7));
        let error = row.integer().expect_err("a text is no integer").to_string();
        assert!(error.contains("column 4") && !error.contains("secret"), "{error}");
        assert!(matches!(row.text(), Err(Error::Corrupt(_))));
    }

    #[test]
    fn times_keep_microseconds_before_and_after_1970() {
        for micros in [-1_500_001, -1, 0, 1, 1_714_983_160_123_456] {
            let time = Timestamp::from_microsecond(micros).expect("in range");
            assert_eq!(Value::from(time), Value::Integer(micros));
            assert_eq!(Row::new(vec![Value::from(time)]).time(), Ok(time));
        }
    }

    #[test]
    fn negative_counts_are_corrupt() {
        assert!(matches!(Row::new(vec![Value::Integer(-1)]).count(), Err(Error::Corrupt(_))));
    }
}
