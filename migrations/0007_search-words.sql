-- The words of a text: runs of letters and digits, in lower case, compatibility forms and accents folded.
CREATE FUNCTION tenon_search_words(value text) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN array_remove(string_to_array(
  regexp_replace(
    regexp_replace(
      left(
        -- ASCII has nothing to fold, and takes a third of the time.
        case when octet_length(value) = length(value) then lower(value) else
          replace(replace(replace(
            translate(
              -- Combining marks and soft hyphens belong to the letter before them.
              regexp_replace(
                lower(normalize(value, NFKD)),
                '[\u00ad\u0300-\u036f\u0591-\u05bd\u05bf\u05c1-\u05c7\u064b-\u0652\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f]+',
                '', 'g'),
              -- Letters with a stroke have no decomposition, and a final sigma is a sigma.
              'øłđħŧıς', 'oldhtiσ'),
            'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe')
        end,
        -- A tsvector holds 1 MiB.
        200000),
      -- Punctuation, symbols and blanks are listed, and not letters: what a letter is depends on the locale of the database.
      -- Without the blank itself, which would take five times as long.
      '[\u0001-\u001f\u0021-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00bf\u00d7\u00f7\u055a-\u055f\u0589\u05be\u05c0\u060c\u061b\u061f\u066a-\u066d\u06d4\u0964\u0965\u1680\u2000-\u206f\u2190-\u2bff\u2e00-\u2e7f\u3000-\u3004\u3008-\u3020\u3030\u303d\u30fb\ufeff\ufffc\ufffd]+',
      ' ', 'g'),
    -- A word in an index may have 2,046 bytes.
    '([^ ]{200})[^ ]+', '\1', 'g'),
  ' '), '');--> statement-breakpoint
CREATE FUNCTION tenon_search_document(value text) RETURNS tsvector
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN array_to_tsvector(tenon_search_words(value));--> statement-breakpoint
-- Every word of a text, each as a beginning.
CREATE FUNCTION tenon_search_query(value text) RETURNS tsquery
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN coalesce('''' || nullif(array_to_string(tenon_search_words(value), ''':* & '''), '') || ''':*', '')::tsquery;--> statement-breakpoint
DROP INDEX "categories_search_idx";--> statement-breakpoint
DROP INDEX "items_search_idx";--> statement-breakpoint
DROP INDEX "products_search_idx";--> statement-breakpoint
CREATE INDEX "categories_search_idx" ON "categories" USING gin (tenon_search_document(coalesce("name", '') || ' ' || coalesce("description", '')));--> statement-breakpoint
CREATE INDEX "items_search_idx" ON "items" USING gin (tenon_search_document(coalesce("title", '') || ' ' || coalesce("description", '')));--> statement-breakpoint
CREATE INDEX "products_search_idx" ON "products" USING gin (tenon_search_document(coalesce("sku", '') || ' ' || coalesce("name", '') || ' ' || coalesce("description", '')));