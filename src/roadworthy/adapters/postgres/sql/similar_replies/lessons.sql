select counts from similarity_lessons where family = $1
