-- The address that an account has when it asks for another one, which the token is mailed to: it dies when either differs.
ALTER TABLE auth_mailed_tokens ADD COLUMN previous_address text;
